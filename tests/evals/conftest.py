"""A small corpus of its own with sample cases: what is measured here must not move when the product's corpus does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.settings import Settings
from evals.cases import Case, load_cases
from evals.runner import Exam
from evals.workbench import RememberingEmbedder, Workbench
from knowledge.indexing import ensure_index
from knowledge.retriever import Retriever
from tests.conftest import WORDS_DECIDE, CharacterEmbedder

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    settings = Settings(corpus=str(DATA / "corpus"), index_dir=str(tmp_path_factory.mktemp("evals") / "index"))
    embedder = CharacterEmbedder()
    index = ensure_index(replace(settings.knowledge, other_questions=None), embedder)
    retriever = Retriever(index, embedder, WORDS_DECIDE, settings.knowledge.retrieval)
    yield Workbench(settings, retriever, RememberingEmbedder(embedder), WORDS_DECIDE)
    index.close()


@pytest.fixture(scope="session")
def cases(bench: Workbench) -> tuple[Case, ...]:
    return load_cases(DATA / "cases", bench.index.documents)


@pytest.fixture(scope="session")
def exam(bench: Workbench, cases: tuple[Case, ...]) -> Exam:
    return Exam.of(cases, bench.index.passages)


@pytest.fixture(autouse=True)
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
