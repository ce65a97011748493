"""The values this layer needs. They read nothing themselves; `assistant.settings` fills them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path


def shipped(name: str) -> Path:
    """A folder that travels with the package: `corpus` or `model`."""
    return Path(str(files("knowledge") / name))


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """`model`: "shipped", a folder, or a sentence-transformers name that is already on this machine."""

    model: str = "shipped"
    threads: int = 2


@dataclass(frozen=True, slots=True)
class ChunkingSettings:
    """`max_chars`: longest passage, in characters. The corpus' own sections stay below it."""

    max_chars: int = 360


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """`candidates`: passages taken from each index before fusion; `passages`: returned after ranking."""

    candidates: int = 14
    passages: int = 8


@dataclass(frozen=True, slots=True)
class KnowledgeSettings:
    """Everything that decides what an index contains and where it lives."""

    index_dir: Path
    corpus: tuple[Path, ...] = field(default_factory=lambda: (shipped("corpus"),))
    other_questions: Path | None = field(default_factory=lambda: shipped("lexicon") / "other_questions.tsv")
    embedding: EmbeddingSettings = EmbeddingSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
