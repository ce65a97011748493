import errno
import os
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

import knowledge.indexing as indexing
from knowledge.dense_index import DenseIndex
from knowledge.errors import IndexBusy, IndexDamaged, IndexProblem
from knowledge.index import MANIFEST, current_version, open_index, version_folder
from knowledge.index_check import verify
from knowledge.indexing import build_index, ensure_index
from knowledge.settings import KnowledgeSettings
from tests.conftest import CharacterEmbedder


@pytest.fixture(autouse=True)
def self_queries_without_a_child(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same self-queries in this process: a child costs seconds and only guards against crashes."""
    if "child" not in request.keywords:
        monkeypatch.setattr(indexing, "checking", lambda: nullcontext(verify))


def serving_folder(settings: KnowledgeSettings) -> Path:
    version = current_version(settings.index_dir)
    assert version is not None
    return version_folder(settings.index_dir, version)


def test_an_index_holds_questions_and_bodies_of_every_passage(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    index = ensure_index(settings, embedder)
    assert {passage.id for passage in index.passages} == {"gone#why", "gone#back", "raise#how", "record#years", "story#0"}
    assert (
        next(entry.text for entry in index.entries if entry.passage == 0 and entry.kind == "question")
        == index.passages[0].heading
    )
    assert index.vectors.shape == (len(index.entries), embedder.dimension)
    assert [passage.id for passage in index.corrections["X-1"]] == ["record#years"]
    index.close()


def test_an_unchanged_corpus_is_neither_read_nor_embedded_again(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    first = build_index(settings, embedder)
    embedder.embedded.clear()
    again = build_index(settings, embedder)
    assert (again.version, again.fresh, embedder.embedded) == (first.version, False, [])


def test_changing_one_document_embeds_only_what_changed(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    build_index(settings, embedder)
    embedder.embedded.clear()
    path = settings.corpus[0] / "raise.md"
    path.write_text(path.read_text(encoding="utf-8").replace("提额要看", "能不能提额要看"), encoding="utf-8")
    report = build_index(settings, embedder)
    assert report.fresh
    assert len(embedder.embedded) == report.embedded == 1


def test_a_refreshed_index_finds_what_a_new_one_finds(
    settings: KnowledgeSettings, embedder: CharacterEmbedder, tmp_path: Path
) -> None:
    build_index(settings, embedder)
    path = settings.corpus[0] / "raise.md"
    path.write_text(path.read_text(encoding="utf-8").replace("提额要看", "能不能提额要看"), encoding="utf-8")
    refreshed = ensure_index(settings, embedder)
    new = ensure_index(replace(settings, index_dir=tmp_path / "new"), embedder)
    assert refreshed.entries == new.entries
    for group in ("questions", "bodies"):
        for vector in new.vectors:
            assert refreshed.dense.search(vector, 100, group) == new.dense.search(vector, 100, group)
    refreshed.close()
    new.close()


def test_a_refresh_writes_only_what_came_and_removes_what_went(tmp_path: Path) -> None:
    vectors = np.eye(30, dtype=np.float32)
    names = [f"n{number}" for number in range(30)]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    DenseIndex.build(tmp_path / "one", vectors[:29], {"questions": range(29)}, names[:29])
    written: list[int] = []
    kept = names[1:]
    DenseIndex.build(tmp_path / "two", vectors[1:], {"questions": range(29)}, kept, written.append, former=tmp_path / "one")
    index = DenseIndex(tmp_path / "two", kept)
    assert (written, index.size) == ([29], 29)
    assert index.search(vectors[29], 1, "questions")[0][0] == kept.index("n29")
    assert index.search(vectors[0], 1, "questions")[0][1] == pytest.approx(0, abs=1e-3)
    index.close()


def test_another_model_makes_another_index(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    one = build_index(settings, embedder)
    other = build_index(settings, CharacterEmbedder(name="other", dimension=32))
    assert one.version != other.version
    assert other.reused == 0


def test_a_deleted_document_is_gone_from_the_next_index(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    ensure_index(settings, embedder).close()
    (settings.corpus[0] / "raise.md").unlink()
    index = ensure_index(settings, embedder)
    assert "raise" not in index.documents
    assert all(passage.document_id != "raise" for passage in index.passages)
    index.close()


@pytest.mark.parametrize("name", ["vectors.npy", "passages.json", "dense/chroma.sqlite3", "keyword/weights.json", MANIFEST])
@pytest.mark.parametrize("damage", ["truncate", "garble", "remove"])
def test_a_damaged_index_never_serves(settings: KnowledgeSettings, embedder: CharacterEmbedder, name: str, damage: str) -> None:
    build_index(settings, embedder)
    path = serving_folder(settings) / name
    if damage == "truncate":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "garble":
        path.write_bytes(os.urandom(path.stat().st_size))
    else:
        path.unlink()
    with pytest.raises(IndexDamaged, match="assistant index --rebuild"):
        open_index(path.parent if name == MANIFEST else path.parents[name.count("/")])
    index = ensure_index(settings, embedder)  # mends itself
    assert len(index.passages) == 5
    index.close()


def test_a_missing_chroma_segment_is_noticed(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    build_index(settings, embedder)
    folder = serving_folder(settings)
    segment = next(path for path in (folder / "dense").iterdir() if path.is_dir())
    shutil.rmtree(segment)
    with pytest.raises(IndexDamaged):
        open_index(folder)


def test_a_second_builder_is_told_to_wait(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    settings.index_dir.mkdir()
    with FileLock(settings.index_dir / "build.lock"), pytest.raises(IndexBusy, match="另一个进程"):
        build_index(settings, embedder)


@pytest.mark.child
def test_an_index_that_fails_its_self_queries_is_not_adopted(
    settings: KnowledgeSettings, embedder: CharacterEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_index(settings, embedder)
    (settings.corpus[0] / "raise.md").unlink()
    build = indexing.DenseIndex.build

    def build_shuffled(folder, vectors, *rest, former):  # type: ignore[no-untyped-def]
        build(folder, vectors[::-1].copy(), *rest)

    monkeypatch.setattr(indexing.DenseIndex, "build", staticmethod(build_shuffled))
    with pytest.raises(IndexProblem, match="没有通过自检"):
        build_index(settings, embedder)
    assert current_version(settings.index_dir) == first.version
    warnings: list[str] = []
    index = ensure_index(settings, embedder, warn=warnings.append)
    assert index.version == first.version
    assert "先用旧索引" in warnings[0]
    index.close()


def test_a_full_disk_keeps_the_old_index_serving(
    settings: KnowledgeSettings, embedder: CharacterEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_index(settings, embedder)
    (settings.corpus[0] / "raise.md").unlink()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(indexing, "write_values", full)
    with pytest.raises(IndexProblem, match="腾出空间"):
        build_index(settings, embedder)
    assert current_version(settings.index_dir) == first.version
    assert not (settings.index_dir / "building").exists()


_KILLED = """
import sys, time
from contextlib import nullcontext
from pathlib import Path
sys.path.insert(0, {root!r})
import knowledge.indexing as indexing
from knowledge.dense_index import DenseIndex
from knowledge.settings import KnowledgeSettings
from tests.conftest import CharacterEmbedder
indexing.checking = lambda: nullcontext(lambda folder: (print("ready", flush=True), time.sleep(60)))
indexing.build_index(KnowledgeSettings(index_dir=Path({index!r}), corpus=(Path({corpus!r}),)), CharacterEmbedder())
"""


def test_a_killed_build_leaves_the_old_index_and_no_lock(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    first = build_index(settings, embedder)
    (settings.corpus[0] / "raise.md").unlink()
    script = _KILLED.format(root=str(Path.cwd()), index=str(settings.index_dir), corpus=str(settings.corpus[0]))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.kill()
    assert current_version(settings.index_dir) == first.version
    assert (settings.index_dir / "building").exists()
    started = time.monotonic()
    report = build_index(settings, embedder)
    assert report.fresh
    assert time.monotonic() - started < 30
    assert not (settings.index_dir / "building").exists()


def test_a_read_only_index_serves(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> None:
    build_index(settings, embedder)
    folder = serving_folder(settings)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    index = open_index(folder)
    assert index.dense.search(index.vectors[0], 1, "questions")[0][1] == pytest.approx(1, abs=1e-3)
    index.close()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_empty_corpus_is_refused_and_costs_nothing(
    settings: KnowledgeSettings, embedder: CharacterEmbedder, tmp_path: Path
) -> None:
    first = build_index(settings, embedder)
    empty = tmp_path / "empty"
    empty.mkdir()
    warnings: list[str] = []
    index = ensure_index(replace(settings, corpus=(empty,)), embedder, warn=warnings.append)
    assert index.version == first.version
    assert "没有一篇能用的文档" in warnings[0]
    index.close()
