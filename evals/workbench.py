"""The parts under test, opened once, and the two ways to take them apart without patching anything."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from assistant import Answer, Assistant
from assistant.assembly import build_retriever, build_writer
from assistant.settings import Settings
from evals.outcomes import fixed_texts
from evals.text_checks import known_phones
from knowledge.embedding import Embedder, Vectors, load_embedder
from knowledge.index import Index
from knowledge.passages import RankedPassage
from knowledge.reranking import Reranker, shipped_reranker
from knowledge.retriever import Retriever

Bot = Callable[[str, Sequence[dict[str, str]]], Answer]
Change = Callable[[str, list[RankedPassage]], list[RankedPassage]]


@dataclass(frozen=True)
class Workbench:
    """The retriever that serves, and what is needed to build others like it.

    `embedder` remembers query vectors, so that systems compared in one run do not compute them again.
    """

    settings: Settings
    retriever: Retriever
    embedder: Embedder
    reranker: Reranker = field(default_factory=shipped_reranker)

    @property
    def index(self) -> Index:
        """The index under test."""
        return self.retriever.index

    @cached_property
    def texts(self) -> dict[str, str]:
        """Every document's text by its id."""
        return {id_: document.text for id_, document in self.index.documents.items()}

    @cached_property
    def phones(self) -> frozenset[str]:
        """Every number to call that the corpus or a reviewed phrase of the product names."""
        return known_phones([*self.texts.values(), *fixed_texts()])

    def without_chat(self) -> Workbench:
        """The same parts without the chat model."""
        return dataclasses.replace(self, settings=dataclasses.replace(self.settings, chat_model="", chat_preset=""))

    def close(self) -> None:
        """Let go of the index."""
        self.index.close()

    def retriever_over(self, index: Index, embedder: Embedder | None = None) -> Retriever:
        """The same line over another index."""
        return Retriever(index, embedder or self.embedder, self.reranker, self.settings.knowledge.retrieval)

    def assistant_over(self, retriever: Retriever) -> Assistant:
        """The same assistant over another retriever."""
        limit = self.settings.max_question_chars
        return Assistant(retriever, max_question_chars=limit, writer=build_writer(self.settings))


def open_workbench(settings: Settings, progress: Callable[[str, int, int], None] = lambda *_: None) -> Workbench:
    """Open what the settings describe; the index is built first where need be."""
    retriever = build_retriever(settings, progress)
    return Workbench(settings, retriever, RememberingEmbedder(load_embedder(settings.knowledge.embedding)))


class AlteredRetriever(Retriever):
    """A retriever that changes what another one found, and keeps each ranking it handed out.

    Everything else, private parts included, is the other one's: the class works for whatever the
    retriever grows.
    """

    def __init__(self, inner: Retriever, change: Change = lambda _, ranked: ranked, index: Index | None = None) -> None:
        self._inner = inner
        self._change = change
        self.rankings: list[list[RankedPassage]] = []
        if index is not None:
            self.index = index

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)

    def retrieve(self, query: str, documents: frozenset[str] | None = None) -> list[RankedPassage]:
        """What the other one finds, changed."""
        ranked = self._change(query, self._inner.retrieve(query, documents))
        self.rankings.append(ranked)
        return ranked

    def take(self) -> list[RankedPassage]:
        """The rankings handed out since the last call as one: first places first, each passage once."""
        rankings, self.rankings = self.rankings, []
        longest = max(map(len, rankings), default=0)
        merged = (ranking[place] for place in range(longest) for ranking in rankings if place < len(ranking))
        return list({item.passage.id: item for item in reversed(list(merged))}.values())[::-1]


class RememberingEmbedder:
    """An embedder that computes each query once."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._known: dict[str, Vectors] = {}
        self.identity = inner.identity
        self.dimension = inner.dimension

    def embed_query(self, query: str) -> Vectors:
        """See `Embedder.embed_query`."""
        if query not in self._known:
            self._known[query] = self._inner.embed_query(query)
        return self._known[query]

    def embed_passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """See `Embedder.embed_passages`."""
        return self._inner.embed_passages(texts, on_progress)

    def embed_queries(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """See `Embedder.embed_queries`."""
        return self._inner.embed_queries(texts, on_progress)


def code_hash(settings: Settings) -> str:
    """Changes whenever the same question could get another answer from the same index."""
    digest = hashlib.sha256(repr(dataclasses.astuple(settings)).encode())
    for path in _code_files():
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _code_files() -> Iterator[Path]:
    for package in ("assistant", "knowledge", "evals"):
        yield from sorted(path for path in Path(str(files(package))).iterdir() if path.suffix in (".py", ".toml"))
    yield from sorted(path for path in Path(str(files("knowledge") / "lexicon")).iterdir() if path.is_file())
