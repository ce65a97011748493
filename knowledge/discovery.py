"""Which files of a folder belong to a corpus, and for every other one the reason why not."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from knowledge.errors import DocumentError, KnowledgeError
from knowledge.formats.extraction import FORMAT_SUFFIXES

TEXT_SUFFIXES = (".md", ".txt")
SOURCES_FILE = "sources.yaml"
# Files about the corpus, not for the reader of an answer; and what editors and systems leave behind.
_COMPANIONS = frozenset({"SOURCES.md", "README.md", "facts.tsv"})
_LITTER = frozenset({".DS_Store", ".git", ".gitignore", ".gitkeep", "Thumbs.db", "desktop.ini", "__pycache__"})
_SAVE_AS = {".doc": ".docx", ".wps": ".docx", ".rtf": ".docx", ".xls": ".xlsx", ".et": ".xlsx", ".ppt": ".pdf", ".pptx": ".pdf"}


@dataclass(frozen=True, slots=True)
class Found:
    """One path below a folder; `skipped` says why it is no document, None where it is one."""

    folder: Path
    path: Path
    name: str
    skipped: str | None = None

    @property
    def problem(self) -> DocumentError:
        """The reason as a problem of the corpus."""
        return DocumentError(self.name, self.skipped or "")


def discover(folders: Iterable[Path]) -> list[Found]:
    """Everything in the folders that is a document, was meant to be one, or hides; in a stable order."""
    found: list[Found] = []
    for folder in folders:
        if not folder.is_dir():
            raise KnowledgeError(f"找不到知识库文件夹：{folder}。请检查设置 corpus，或恢复这个文件夹。")
        found.extend(_discover(folder))
    return found


def _discover(folder: Path) -> Iterator[Found]:
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if _LITTER & set(parts) or path.name.startswith("~$") or path.name in _COMPANIONS:
            continue
        if any(part.startswith(".") for part in parts[:-1]):
            continue  # its hidden folder was named once
        name = "/".join(parts)
        printable = name.encode("utf-8", "replace").decode()
        reason = _reason(path, root) if name == printable else "文件名不是 UTF-8，请改名。"
        if reason != "":
            yield Found(folder, path, printable, reason)


def _reason(path: Path, root: Path) -> str | None:
    """Why a path is no document; None for a document, empty for what needs no word."""
    try:
        inside = path.resolve().is_relative_to(root)
        mode = path.stat().st_mode if inside else 0
    except (OSError, RuntimeError):
        return "链接断了，或者没有权限读。"
    if not inside:
        return "链接指向知识库文件夹之外，没有读。"
    if path.name.startswith("."):
        return "隐藏文件，没有读；要用它请去掉名字开头的点。"
    if stat.S_ISDIR(mode):
        return ""
    if not stat.S_ISREG(mode):
        return "不是普通文件（管道、套接字或设备），没有读。"
    return _format_reason(path)


def _format_reason(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in (*TEXT_SUFFIXES, *FORMAT_SUFFIXES) or path.name == SOURCES_FILE:
        return None
    if suffix in (".yaml", ".yml"):
        return f"YAML 文件里只读 {SOURCES_FILE}。"
    if suffix in _SAVE_AS:
        return f"不读 {suffix} 格式，请另存为 {_SAVE_AS[suffix]}。"
    return f"不认识的格式，能读的有 {' '.join((*TEXT_SUFFIXES, *FORMAT_SUFFIXES))}。"
