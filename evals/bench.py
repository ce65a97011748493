"""How fast: query embedding, retrieval, an answer and a refresh on this machine, and how a search grows with the corpus."""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from evals.metrics import percentile
from evals.report import table
from evals.runner import progress_bar
from evals.workbench import Workbench
from knowledge.chinese_text import normalise
from knowledge.dense_index import DenseIndex
from knowledge.embedding import Vectors, load_embedder
from knowledge.index import QUESTIONS
from knowledge.indexing import BuildReport, build_index
from knowledge.keyword_index import KeywordIndex
from knowledge.retriever import NEAREST_QUESTIONS

EMBEDDING = "计算查询向量"
_QUERIES = 200
_WARM_UP = 5
_SEED = 20261123
_SCALE_QUERIES = 60


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds a call, over n calls."""

    name: str
    n: int
    p50: float
    p95: float


def bench(workbench: Workbench, *, show: bool = True) -> list[Timing]:
    """Query embedding, both searches and the whole of retrieval on the same questions; whole answers on others.

    The retriever remembers what it was asked last, so an answer is timed on questions that are new to it.
    """
    drawn = questions_of(workbench, 2 * _QUERIES)
    questions, unseen = drawn[:_QUERIES], drawn[_QUERIES:]
    # A fresh embedder: the workbench's remembers, and a memory would be measured.
    embedder = load_embedder(workbench.settings.knowledge.embedding)
    normal = [normalise(question) for question in questions]
    vectors = {text: embedder.embed_query(text) for text in normal}
    index, n = workbench.index, workbench.settings.knowledge.retrieval.candidates * 5
    assistant = workbench.assistant_over(workbench.retriever)
    return [
        _time(EMBEDDING, embedder.embed_query, normal, show),
        _time("向量检索", lambda text: index.dense.search(vectors[text], NEAREST_QUESTIONS, QUESTIONS), normal, show),
        _time("关键词检索", lambda text: index.keyword.search(text, n), normal, show),
        _time("检索全程", workbench.retriever.retrieve, questions, show),
        _time("回答全程", assistant.ask, unseen, show),
    ]


def render(timings: Sequence[Timing]) -> str:
    """A table; every median also as a multiple of what embedding the query costs, which other machines share."""
    raw = next(timing.p50 for timing in timings if timing.name == EMBEDDING)
    rows = [
        [timing.name, str(timing.n), f"{timing.p50:.2f}", f"{timing.p95:.2f}", f"{timing.p50 / raw:.2f}"] for timing in timings
    ]
    return table(["环节", "次数", "p50 毫秒", "p95 毫秒", "是计算向量的几倍"], rows)


def refresh(workbench: Workbench) -> BuildReport:
    """Change one document of a copy of the corpus and refresh its index; what the refresh did and how long it took."""
    knowledge = workbench.settings.knowledge
    embedder = load_embedder(knowledge.embedding)
    with tempfile.TemporaryDirectory(prefix="jiebei-bench-") as name:
        corpus = Path(name) / "corpus"
        shutil.copytree(knowledge.corpus[0], corpus)
        settings = replace(knowledge, corpus=(corpus, *knowledge.corpus[1:]), index_dir=Path(name) / "index")
        build_index(settings, embedder)
        changed = corpus / max(workbench.index.documents.values(), key=lambda document: len(document.text)).path
        changed.write_text(changed.read_text(encoding="utf-8").replace("借呗", "这个借呗"), encoding="utf-8")
        return build_index(settings, embedder)


def peak_memory() -> float:
    """The most memory this process has held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def scale(workbench: Workbench, largest: int, *, show: bool = True) -> Iterator[tuple[int, float, float]]:
    """(passages, p50, p95) of one search of both indexes, for corpora ten times as large each, up to `largest`.

    The passages are made up: real sentences put together at random, and real vectors mixed and
    shaken, so that word frequencies and neighbourhoods are like those of real text.
    """
    rng = np.random.default_rng(_SEED)
    texts = [entry.text for entry in workbench.index.entries]
    words = workbench.settings.knowledge.retrieval.candidates * 5
    questions = [normalise(question) for question in questions_of(workbench, _SCALE_QUERIES)]
    asked = {question: workbench.embedder.embed_query(question) for question in questions}
    for size in _sizes(largest):
        picks = rng.integers(0, len(texts), size=(size, 2))
        made_texts = [normalise(f"{texts[a][:60]}{texts[b][-60:]}") for a, b in picks.tolist()]
        made = _made_vectors(np.asarray(workbench.index.vectors), picks, rng)
        with tempfile.TemporaryDirectory(prefix="jiebei-bench-") as name:
            folder = Path(name)
            for part in ("dense", "keyword"):
                (folder / part).mkdir()
            names = [str(number) for number in range(size)]
            DenseIndex.build(folder / "dense", made, {QUESTIONS: range(size)}, names)
            KeywordIndex.build(folder / "keyword", made_texts)
            dense, keyword = DenseIndex(folder / "dense", names), KeywordIndex.open(folder / "keyword", size)

            def search(question: str, dense: DenseIndex = dense, keyword: KeywordIndex = keyword) -> object:
                return dense.search(asked[question], NEAREST_QUESTIONS, QUESTIONS), keyword.search(question, words)

            timing = _time(f"{size} 段", search, questions, show)
            dense.close()
        yield size, timing.p50, timing.p95


def questions_of(workbench: Workbench, n: int) -> list[str]:
    """Questions drawn from the ways of asking that the corpus knows."""
    known = [entry.text for entry in workbench.index.entries if entry.kind == "question"]
    picks = np.random.default_rng(_SEED).permutation(len(known))[:n]
    return [known[number] for number in picks.tolist()]


def _made_vectors(vectors: Vectors, picks: npt.NDArray[np.int64], rng: np.random.Generator) -> Vectors:
    noise = rng.normal(0, 0.02, size=(len(picks), vectors.shape[1]))
    mixed = vectors[picks[:, 0]] + 0.5 * vectors[picks[:, 1]] + noise
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), dtype=np.float32)


def _sizes(largest: int) -> list[int]:
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size < largest]
    return [*sizes, largest]


def _time(name: str, call: Callable[[str], object], questions: Sequence[str], show: bool) -> Timing:
    for question in questions[:_WARM_UP]:
        call(question)
    taken = []
    for question in progress_bar(questions, name, show):
        started = time.perf_counter()
        call(question)
        taken.append((time.perf_counter() - started) * 1000)
    return Timing(name, len(taken), percentile(taken, 50) or 0.0, percentile(taken, 95) or 0.0)
