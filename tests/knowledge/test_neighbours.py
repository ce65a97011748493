"""The vote of the nearest known questions, and the vectors that travel with the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowledge.chinese_text import normalise
from knowledge.errors import KnowledgeError
from knowledge.index import QUESTIONS
from knowledge.indexing import build_index, embedded_text, ensure_index, other_questions
from knowledge.neighbours import vote
from knowledge.retriever import Retriever
from knowledge.settings import KnowledgeSettings
from knowledge.shipped_vectors import key_of, load_shipped_vectors, save_vectors
from tests.conftest import WORDS_DECIDE, CharacterEmbedder


def test_nearer_questions_count_more_and_shares_add_up() -> None:
    found = vote([(3, 0.90), (5, 0.85), (3, 0.80), ("out_of_scope", 0.80)])
    assert sum(found.passages.values()) + sum(found.kinds.values()) == pytest.approx(1)
    # e^0 + e^-2 for passage 3, e^-1 for passage 5, e^-2 for the question out of scope.
    whole = 1 + np.exp(-1) + 2 * np.exp(-2)
    assert found.passages == pytest.approx({3: (1 + np.exp(-2)) / whole, 5: np.exp(-1) / whole})
    assert found.kinds == pytest.approx({"out_of_scope": np.exp(-2) / whole})


def test_silence_votes_for_elsewhere_where_nobody_near_has_asked() -> None:
    near, far = vote([(3, 0.95)], 0.8).kinds["out_of_scope"], vote([(3, 0.7)], 0.8).kinds["out_of_scope"]
    assert near < 0.2 < 0.9 < far
    assert vote([(3, 0.1)]).kinds == {}  # a model on which silence was not measured


def test_nobody_votes_where_nothing_is_known() -> None:
    assert (vote([]).passages, vote([]).kinds) == ({}, {})


def test_a_question_that_belongs_elsewhere_is_recognised(
    settings: KnowledgeSettings, embedder: CharacterEmbedder, tmp_path: Path
) -> None:
    strange = tmp_path / "other.tsv"
    strange.write_text("out_of_scope\t微粒贷怎么提额\nout_of_scope\t微粒贷咋提额啊\nscam\t交钱强开靠谱吗\n", encoding="utf-8")
    index = ensure_index(KnowledgeSettings(settings.index_dir, settings.corpus, strange), embedder)
    retriever = Retriever(index, embedder, WORDS_DECIDE, settings.retrieval)
    kinds = retriever._find_nearest("微粒贷怎么提额呀").vote.kinds
    assert kinds["out_of_scope"] > 0.5
    assert retriever._find_nearest("交钱强开靠谱不").vote.kinds["scam"] > 0.5
    assert retriever._find_nearest("借呗额度为什么没有了").vote.kinds.get("out_of_scope", 0) < 0.1
    assert retriever.intents("微粒贷怎么提额呀") == {}  # the intent head belongs to another model
    # What belongs elsewhere scores lower than it would if nothing were known about it.
    assert retriever.retrieve("微粒贷怎么提额")[0].score < retriever.retrieve("借呗怎么提额")[0].score
    index.close()


def test_a_line_without_a_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.tsv"
    path.write_text("scam\t交钱强开\n没有类别\n", encoding="utf-8")
    with pytest.raises(KnowledgeError, match="第 2 行"):
        other_questions(path)


def test_kept_vectors_point_the_same_way(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(50, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = {key_of(QUESTIONS, f"问题{number}"): row for number, row in enumerate(rows)}
    save_vectors(vectors, "a model", tmp_path / "vectors.npz")
    kept = load_shipped_vectors("a model", vectors, tmp_path / "vectors.npz")
    assert kept.keys() == vectors.keys()
    one = next(iter(vectors))
    assert load_shipped_vectors("a model", {one}, tmp_path / "vectors.npz").keys() == {one}
    assert min(float(kept[key] @ vectors[key]) for key in vectors) > 0.999
    assert load_shipped_vectors("another model", vectors, tmp_path / "vectors.npz") == {}
    assert load_shipped_vectors("a model", vectors, tmp_path / "none.npz") == {}


def test_shipped_vectors_are_not_computed_again(
    settings: KnowledgeSettings, embedder: CharacterEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ensure_index(settings, embedder)
    known = {
        key_of(entry.group, embedded_text(normalise(entry.text))): np.asarray(vector)
        for entry, vector in zip(first.entries, first.vectors, strict=True)
        if entry.kind == "question"
    }
    first.close()
    monkeypatch.setattr("knowledge.indexing.load_shipped_vectors", lambda identity, wanted: known)
    embedder.embedded.clear()
    report = build_index(KnowledgeSettings(tmp_path / "fresh", settings.corpus, None), embedder)
    assert report.reused >= len(known)
    assert len(embedder.embedded) == report.embedded
