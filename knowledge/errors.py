"""Everything this layer can refuse to do, in words for the person in front of it.

KnowledgeError
├── DocumentError        one file of the corpus cannot be read: path, line, what to do
├── ModelUnavailable     the embedding model is not where the setting says
└── IndexProblem         no index can be served
    ├── IndexBusy        another process is building it
    └── IndexDamaged     files differ from what was built
"""

from __future__ import annotations


class KnowledgeError(Exception):
    """Shown to a person as it stands: one line, in Chinese, with the way out."""


class DocumentError(KnowledgeError):
    """A file of the corpus cannot be used."""

    def __init__(self, path: str, problem: str, line: int | None = None) -> None:
        place = path if line is None else f"{path} 第 {line} 行"
        super().__init__(f"{place}：{problem}")
        self.path, self.line, self.problem = path, line, problem


class ModelUnavailable(KnowledgeError):
    """The configured embedding model cannot be loaded from this machine."""


class IndexProblem(KnowledgeError):
    """No index can be served; the message says which command mends it."""


class IndexBusy(IndexProblem):
    """Another process holds the build lock."""


class IndexDamaged(IndexProblem):
    """An index folder differs from its own manifest."""
