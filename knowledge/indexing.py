"""The offline line: documents → passages → entries → vectors → both indexes → verify → switch.

Built in a folder of its own under a lock between processes, checked, sealed, and only then pointed to.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from knowledge.chinese_text import normalise
from knowledge.chunking import cut
from knowledge.dense_index import DenseIndex
from knowledge.documents import load_corpus
from knowledge.embedding import Embedder, Vectors
from knowledge.errors import IndexBusy, IndexDamaged, IndexProblem, KnowledgeError
from knowledge.index import (
    BODIES,
    DENSE,
    FORMAT,
    KEYWORD,
    MANIFEST,
    NAMES,
    QUESTIONS,
    VECTORS,
    Entry,
    Index,
    current_version,
    open_index,
    read_manifest,
    version_folder,
    version_of,
    write_manifest,
    write_values,
)
from knowledge.index_check import checking
from knowledge.keyword_index import KeywordIndex
from knowledge.passages import Passage
from knowledge.settings import KnowledgeSettings
from knowledge.shipped_vectors import key_of, load_shipped_vectors

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, how much is done, and how much there is."""

_VERSIONS_KEPT = 2
# A body says what it is about in its title, heading and first sentences, which is what the model was trained on.
_EMBEDDED_CHARS = 80


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did, for the person who asked for it."""

    version: str
    documents: int
    passages: int
    embedded: int
    reused: int
    seconds: float
    problems: tuple[str, ...]
    fresh: bool


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def ensure_index(
    settings: KnowledgeSettings, embedder: Embedder, *, progress: Progress = silent, warn: Callable[[str], None] = lambda _: None
) -> Index:
    """The index of the present corpus, built first where it is missing or out of date.

    Where that fails, the last good index serves and `warn` gets one line; where there is none,
    the reason is raised.
    """
    version = version_of(settings, embedder.identity)
    if current_version(settings.index_dir) == version:
        try:
            return open_index(version_folder(settings.index_dir, version))
        except IndexDamaged as problem:
            warn(f"{problem} 正在自动重建。")
    try:
        build_index(settings, embedder, progress=progress, wait_seconds=300)
        return open_index(version_folder(settings.index_dir, version))
    except KnowledgeError as problem:
        serving = current_version(settings.index_dir)
        if serving is None or serving == version:
            raise
        index = open_index(version_folder(settings.index_dir, serving))
        warn(f"新索引没有建成（{problem}），先用旧索引 {serving} 回答。")
        return index


def build_index(
    settings: KnowledgeSettings,
    embedder: Embedder,
    *,
    rebuild: bool = False,
    progress: Progress = silent,
    wait_seconds: float = 0,
) -> BuildReport:
    """Make the index of the present corpus current; raises IndexBusy, IndexProblem, KnowledgeError.

    `rebuild` forgets the vectors of the index in use.
    """
    index_dir = settings.index_dir
    try:
        index_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(index_dir / "build.lock", timeout=wait_seconds):
            return _build(settings, embedder, rebuild=rebuild, progress=progress)
    except Timeout:
        raise IndexBusy("另一个进程正在建索引，请等它结束后再试。") from None
    except OSError as error:
        raise IndexProblem(
            f"索引写不进 {index_dir}（{error.strerror}）。请腾出空间或修改权限，或用设置 index_dir 换一个文件夹。"
        ) from None


def _build(settings: KnowledgeSettings, embedder: Embedder, *, rebuild: bool, progress: Progress) -> BuildReport:
    started = time.monotonic()
    version = version_of(settings, embedder.identity)
    target = version_folder(settings.index_dir, version)
    if not rebuild and _is_whole(target):
        _switch(settings.index_dir, version)
        manifest = read_manifest(target)
        return BuildReport(
            version, manifest["documents"], manifest["passages"], 0, manifest["entries"],
            time.monotonic() - started, tuple(manifest["problems"]), fresh=False,
        )  # fmt: skip
    with checking() as check:
        return _write(settings, embedder, version, check, rebuild=rebuild, progress=progress)


def _write(
    settings: KnowledgeSettings,
    embedder: Embedder,
    version: str,
    check: Callable[[Path], None],
    *,
    rebuild: bool,
    progress: Progress,
) -> BuildReport:
    """Read the corpus and write its index, whole or not at all."""
    started = time.monotonic()
    target = version_folder(settings.index_dir, version)
    corpus = load_corpus(settings.corpus)
    passages = [passage for document in corpus.documents for passage in cut(document, settings.chunking)]
    if not passages:
        raise KnowledgeError("知识库里没有一篇能用的文档。" + "".join(f"\n{problem}" for problem in corpus.problems))
    entries = entries_of(passages) + other_questions(settings.other_questions)
    texts = [normalise(entry.text) for entry in entries]
    asked = [_Asked.of(entry.group, text) for entry, text in zip(entries, texts, strict=True)]
    names = names_of([item.key for item in asked], entries, passages)
    former = None if rebuild else _former(settings.index_dir, embedder.identity)
    known = _known_vectors(former) if former is not None else {}
    known |= load_shipped_vectors(embedder.identity, {item.key for item in asked} - known.keys())

    work = settings.index_dir / "building"
    shutil.rmtree(work, ignore_errors=True)  # what a killed build left behind; we hold the lock
    work.mkdir()
    try:
        vectors, embedded = _embed(asked, embedder, known, progress)
        np.save(work / VECTORS, vectors)
        (work / NAMES).write_text(json.dumps(names), encoding="utf-8")
        write_values(work, corpus.documents, passages, entries)
        DenseIndex.build(
            work / DENSE,
            vectors,
            {group: [n for n, entry in enumerate(entries) if entry.group == group] for group in (QUESTIONS, BODIES)},
            names,
            lambda done: progress("向量索引", done, len(entries)),
            former=former / DENSE if former is not None else None,
        )
        KeywordIndex.build(
            work / KEYWORD, [text for entry, text in zip(entries, texts, strict=True) if entry.passage is not None]
        )
        progress("自检", 0, 1)
        check(work)
        progress("自检", 1, 1)
        write_manifest(
            work,
            {
                "version": version,
                "format": FORMAT,
                "model": embedder.identity,
                "documents": len(corpus.documents),
                "passages": len(passages),
                "entries": len(entries),
                "problems": [str(problem) for problem in corpus.problems],
            },
        )
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(exist_ok=True)
        work.replace(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    _switch(settings.index_dir, version)
    _forget_old_versions(settings.index_dir, version)
    return BuildReport(
        version, len(corpus.documents), len(passages), embedded, len(entries) - embedded,
        time.monotonic() - started, tuple(map(str, corpus.problems)), fresh=True,
    )  # fmt: skip


def entries_of(passages: Sequence[Passage]) -> list[Entry]:
    """What is indexed of each passage: every way of asking for it, and its text."""
    entries = []
    for number, passage in enumerate(passages):
        if passage.headings:
            entries += [Entry(number, "question", question) for question in dict.fromkeys(passage.questions)]
            entries += [Entry(number, "wording", wording) for wording in passage.wordings]
        entries.append(Entry(number, "body", f"{passage.title} {passage.heading}\n{passage.text}"))
    return entries


def other_questions(path: Path | None) -> list[Entry]:
    """Questions that no passage answers, one "kind, tab, text" a line; raises KnowledgeError naming a line that is not."""
    if path is None:
        return []
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines, start=1):
        if len(line) != 2 or not all(line):
            raise KnowledgeError(f"{path.name} 第 {number} 行应当是两列，类别和问题，用制表符分开。")
    return [Entry(None, kind, text) for kind, text in lines]


def embedded_text(text: str) -> str:
    """What the model is given of an entry's normalised text."""
    return text[:_EMBEDDED_CHARS]


def names_of(keys: Sequence[bytes], entries: Sequence[Entry], passages: Sequence[Passage]) -> list[str]:
    """What each entry is called in the dense index: key of the vector, owner, and which of equal ones it is."""
    seen: Counter[str] = Counter()
    names = []
    for key, entry in zip(keys, entries, strict=True):
        name = f"{key.hex()}:{entry.kind if entry.passage is None else passages[entry.passage].id}"
        seen[name] += 1
        names.append(f"{name}:{seen[name]}")
    return names


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the model is asked for: a vector of a text as a question or as a body, and the name it goes by."""

    group: str
    text: str
    key: bytes

    @classmethod
    def of(cls, group: str, text: str) -> _Asked:
        text = embedded_text(text)
        return cls(group, text, key_of(group, text))


def _embed(
    asked: Sequence[_Asked], embedder: Embedder, known: Mapping[bytes, Vectors], progress: Progress
) -> tuple[Vectors, int]:
    """Vectors of shape (len(asked), dimension), and how many of them were not known before."""
    vectors = np.zeros((len(asked), embedder.dimension), dtype=np.float32)
    missing: dict[str, list[int]] = {QUESTIONS: [], BODIES: []}
    for number, item in enumerate(asked):
        vector = known.get(item.key)
        if vector is None:
            missing[item.group].append(number)
        else:
            vectors[number] = vector
    total = sum(map(len, missing.values()))
    done = 0
    for group, embed in ((QUESTIONS, embedder.embed_queries), (BODIES, embedder.embed_passages)):
        numbers = missing[group]
        if numbers:
            offset = done
            texts = [asked[number].text for number in numbers]
            vectors[numbers] = embed(texts, lambda n, offset=offset: progress("计算向量", offset + n, total))  # type: ignore[misc]
            done += len(numbers)
    return vectors, total


def _former(index_dir: Path, model_identity: str) -> Path | None:
    """The folder of the index in use, where this model and this layout made it."""
    version = current_version(index_dir)
    if version is None:
        return None
    folder = version_folder(index_dir, version)
    try:
        manifest = read_manifest(folder)
    except IndexDamaged:
        return None
    return folder if (manifest.get("model"), manifest.get("format")) == (model_identity, FORMAT) else None


def _known_vectors(folder: Path) -> dict[bytes, Vectors]:
    """Vectors of an index by the key that their names begin with."""
    names = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    return {bytes.fromhex(name.partition(":")[0]): vector for name, vector in zip(names, np.load(folder / VECTORS), strict=True)}


def _is_whole(folder: Path) -> bool:
    try:
        read_manifest(folder)
    except IndexDamaged:
        return False
    return True


def _switch(index_dir: Path, version: str) -> None:
    pointer = index_dir / "current.new"
    pointer.write_text(version + "\n", encoding="ascii")
    pointer.replace(index_dir / "current")


def _forget_old_versions(index_dir: Path, current: str) -> None:
    folders = sorted((index_dir / "versions").iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in [folder for folder in folders if folder.name != current][_VERSIONS_KEPT - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["MANIFEST", "BuildReport", "build_index", "ensure_index", "silent"]
