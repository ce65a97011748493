"""The index as a value: a finished folder that is either whole or not served.

    <index_dir>/
      current                 the version in use, one line, replaced in one step
      build.lock              held by whoever builds
      versions/<version>/     manifest.json, documents.json, passages.json, entries.json, names.json, vectors.npy,
                              dense/, keyword/

`manifest.json` is written last and lists every file with its hash, so a killed or damaged build is
never mistaken for an index. (A vector count proves nothing: Chroma opens a folder whose segment is
missing, counts right, and finds nothing.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from knowledge.chunking import CHUNKER_VERSION
from knowledge.dense_index import DenseIndex
from knowledge.documents import corpus_files
from knowledge.embedding import Vectors
from knowledge.errors import IndexDamaged, IndexProblem
from knowledge.keyword_index import KeywordIndex
from knowledge.passages import Document, Passage, Section, Source
from knowledge.settings import KnowledgeSettings, shipped

# Raised whenever the layout of the folder or the text of an entry changes.
FORMAT = 6
MANIFEST = "manifest.json"
# What the lexicon puts into an index; concepts, products and ranking only read queries.
_INDEXED_LEXICON = ("words.txt", "typed_forms.tsv", "pinyin.tsv", "pairs.tsv", "sounds.tsv", "wordings/*.jsonl")
DENSE, KEYWORD, VECTORS, NAMES = "dense", "keyword", "vectors.npy", "names.json"
# The two groups of entries: what people ask, and what the passages say.
QUESTIONS, BODIES = "questions", "bodies"

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Entry:
    """One indexed text. `passage` is a position in `passages`, None for a question that no passage answers.

    `kind` is "question" (heading or way of asking), "wording" (as people type it) or "body" for the text of
    a passage, and the kind of question for one that no passage answers: "out_of_scope", "scam" …
    """

    passage: int | None
    kind: str
    text: str

    @property
    def group(self) -> str:
        """Which entries it is searched among."""
        return BODIES if self.kind == "body" else QUESTIONS

    @property
    def owner(self) -> int | str:
        """Whom a query near it speaks for."""
        return self.kind if self.passage is None else self.passage


@dataclass(frozen=True)
class Index:
    """Everything the retriever needs, opened from one version folder.

    `vectors` has shape (entries, dimension). `corrections` maps a claim id to the passages that put it
    right. The keyword index knows the entries of passages, which come first, and not the others.
    """

    version: str
    documents: dict[str, Document]
    passages: tuple[Passage, ...]
    entries: tuple[Entry, ...]
    vectors: Vectors
    dense: DenseIndex
    keyword: KeywordIndex
    corrections: dict[str, tuple[Passage, ...]]
    by_id: dict[str, Passage]
    problems: tuple[str, ...]

    def close(self) -> None:
        """Let go of the dense index' private copy."""
        self.dense.close()


def version_of(settings: KnowledgeSettings, model_identity: str) -> str:
    """The version the present corpus, chunker and model would have: 16 hexadecimal digits."""
    digest = hashlib.sha256(f"{FORMAT}|{CHUNKER_VERSION}|{settings.chunking}|{model_identity}".encode())
    lexicon = [path for pattern in _INDEXED_LEXICON for path in sorted(shipped("lexicon").glob(pattern))]
    for path in [*lexicon, *([settings.other_questions] if settings.other_questions else [])]:
        digest.update(path.read_bytes())
    for folder, path in corpus_files(settings.corpus):
        digest.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape") + b"\0")
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError:
            digest.update(b"unreadable")
    return digest.hexdigest()[:16]


def version_folder(index_dir: Path, version: str) -> Path:
    """Where a version lies, whether it exists or not."""
    return index_dir / "versions" / version


def current_version(index_dir: Path) -> str | None:
    """The version the pointer names, if that folder was finished."""
    try:
        version = (index_dir / "current").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return version if (version_folder(index_dir, version) / MANIFEST).is_file() else None


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Seal a version folder: the hash of every file in it, written last."""
    manifest["files"] = {path.relative_to(folder).as_posix(): _hash(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder whose every file is as it was built; raises IndexDamaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, str] = manifest["files"]
        damaged = [name for name, digest in files.items() if not (folder / name).is_file() or _hash(folder / name) != digest]
    except (OSError, ValueError, KeyError, TypeError):
        raise IndexDamaged(f"索引 {folder.name} 的清单读不了。请运行 assistant index --rebuild。") from None
    if damaged:
        raise IndexDamaged(
            f"索引 {folder.name} 有 {len(damaged)} 个文件与清单不符（{damaged[0]}）。请运行 assistant index --rebuild。"
        )
    return manifest


def open_index(folder: Path) -> Index:
    """Open a version folder after checking every file; raises IndexProblem, never serves a part."""
    manifest = read_manifest(folder)
    try:
        documents = [_document(value) for value in _read(folder / "documents.json")]
        passages = tuple(_tupled(Passage, value) for value in _read(folder / "passages.json"))
        entries = tuple(Entry(*value) for value in _read(folder / "entries.json"))
        vectors: Vectors = np.load(folder / VECTORS, mmap_mode="r")
        keyword = KeywordIndex.open(folder / KEYWORD, sum(entry.passage is not None for entry in entries))
        dense = DenseIndex(folder / DENSE, _read(folder / NAMES))
    except IndexProblem:
        raise
    except Exception as error:  # Chroma raises its own private types; whatever it is, this index cannot serve
        raise IndexDamaged(f"索引 {folder.name} 打不开（{error}）。请运行 assistant index --rebuild。") from None
    return Index(
        version=folder.name,
        documents={document.id: document for document in documents},
        passages=passages,
        entries=entries,
        vectors=vectors,
        dense=dense,
        keyword=keyword,
        corrections=_corrections(passages),
        by_id={passage.id: passage for passage in passages},
        problems=tuple(manifest["problems"]),
    )


def write_values(folder: Path, documents: Iterable[Document], passages: Iterable[Passage], entries: Iterable[Entry]) -> None:
    """Write what is read back by `open_index`, apart from the two search structures."""
    _write(folder / "documents.json", [asdict(document) for document in documents])
    _write(folder / "passages.json", [asdict(passage) for passage in passages])
    _write(folder / "entries.json", [[entry.passage, entry.kind, entry.text] for entry in entries])


def _corrections(passages: Iterable[Passage]) -> dict[str, tuple[Passage, ...]]:
    corrections: dict[str, tuple[Passage, ...]] = {}
    for passage in passages:
        for claim in passage.corrects:
            corrections[claim] = (*corrections.get(claim, ()), passage)
    return corrections


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _tupled(cls: type[_Value], value: dict[str, Any]) -> _Value:
    """A frozen value from its JSON form: JSON has lists where our values hold tuples."""
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: tuple(item) if isinstance(item, list) else item for name, item in value.items() if name in names})


def _document(value: dict[str, Any]) -> Document:
    sections = [
        _tupled(Section, {**section, "sources": [Source(**source) for source in section["sources"]]})
        for section in value["sections"]
    ]
    claims = [tuple(claim) for claim in value["claims"]]
    return _tupled(Document, {**value, "sections": sections, "claims": claims})
