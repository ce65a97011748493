"""The systems that are compared: ours whole, ours without each stage, and what others would build.

All of them search the same documents; each returns spans of documents, best first. Except for the
plain langchain line all of them read the question the way ours does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evals.workbench import RememberingEmbedder, Workbench
from knowledge.chinese_text import normalise
from knowledge.dense_index import DenseIndex
from knowledge.embedding import Embedder, Vectors, load_embedder
from knowledge.index import BODIES, QUESTIONS, Entry, Index
from knowledge.indexing import ensure_index
from knowledge.keyword_index import KeywordIndex
from knowledge.passages import Document, Passage, RankedPassage
from knowledge.retriever import Retriever, reciprocal_rank_fusion
from knowledge.settings import EmbeddingSettings

_TOP = 8
_LANGCHAIN_TOP = 4  # the default of every langchain retriever


@dataclass(frozen=True, slots=True)
class Hit:
    """A span of a document that a system put forward."""

    id: str
    document: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class System:
    """Something that finds text for a question. `name` is what the report calls it."""

    name: str
    search: Callable[[str], list[Hit]]


def baselines(bench: Workbench) -> list[System]:
    """Ours without each stage, and the plain alternatives with the same model."""
    return [
        from_retriever("无重排（融合次序）", FusionRetriever(bench)),
        from_retriever("无关键词索引", bench.retriever_over(without_keyword(bench.index))),
        from_retriever("无向量索引", bench.retriever_over(without_dense(bench.index))),
        from_retriever("不索引问法", bench.retriever_over(without_questions(bench.index))),
        bm25_alone(bench.index),
        dense_alone("只用向量", bench.index.passages, bench.embedder, _body_vectors(bench.index)),
        plain_langchain("LangChain 默认", bench.index.documents.values(), bench.embedder),
    ]


def with_embedding(bench: Workbench, model: str) -> list[System]:
    """Ours whole, dense alone and plain langchain with another sentence-transformers model."""
    knowledge = bench.settings.knowledge
    embedder = RememberingEmbedder(load_embedder(EmbeddingSettings(model=model, threads=bench.settings.threads)))
    name = Path(model).name
    folder = knowledge.index_dir.with_name(knowledge.index_dir.name + "-compare") / name
    index = ensure_index(replace(knowledge, index_dir=folder, embedding=EmbeddingSettings(model=model)), embedder)
    return [
        from_retriever(f"本助手＋{name}", bench.retriever_over(index, embedder)),
        dense_alone(f"只用向量＋{name}", bench.index.passages, embedder),
        plain_langchain(f"LangChain 默认＋{name}", bench.index.documents.values(), embedder),
    ]


def from_retriever(name: str, retriever: Retriever) -> System:
    """A retriever of ours as a system."""
    return System(name, lambda question: [_hit(item.passage, item.score) for item in retriever.retrieve(question)])


def bm25_alone(index: Index) -> System:
    """BM25 over the passages, segmented as ours are, and nothing else."""
    keyword = keyword_over([_body(passage) for passage in index.passages])

    def search(question: str) -> list[Hit]:
        return [_hit(index.passages[number], score) for number, score in keyword.search(normalise(question), _TOP)]

    return System("只用 BM25", search)


def dense_alone(name: str, passages: Sequence[Passage], embedder: Embedder, vectors: Vectors | None = None) -> System:
    """Nearest passages by cosine, exact, and nothing else; `vectors` where the passages' are already known."""
    if vectors is None:
        vectors = embedder.embed_passages([normalise(_body(passage)) for passage in passages])

    def search(question: str) -> list[Hit]:
        cosines = vectors @ embedder.embed_query(normalise(question))
        return [_hit(passages[number], float(cosines[number])) for number in np.argsort(-cosines, kind="stable")[:_TOP]]

    return System(name, search)


def plain_langchain(name: str, documents: Iterable[Document], embedder: Embedder) -> System:
    """The tutorial: RecursiveCharacterTextSplitter at its defaults over the readable text, a vector store, top 4."""
    from langchain_core.documents import Document as Page
    from langchain_core.embeddings import Embeddings
    from langchain_core.vectorstores import InMemoryVectorStore
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    class Adapter(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [list(map(float, row)) for row in embedder.embed_passages(texts)]

        def embed_query(self, text: str) -> list[float]:
            return list(map(float, embedder.embed_query(text)))

    pages = [Page(readable(document), metadata={"document": document.id}) for document in documents]
    chunks = RecursiveCharacterTextSplitter().split_documents(pages)
    store = InMemoryVectorStore(Adapter())
    store.add_documents(chunks, ids=[f"{chunk.metadata['document']}~{number}" for number, chunk in enumerate(chunks)])

    def search(question: str) -> list[Hit]:
        found = store.similarity_search_with_score(question, k=_LANGCHAIN_TOP)
        return [Hit(str(page.id), page.metadata["document"], page.page_content, float(score)) for page, score in found]

    return System(name, search)


def readable(document: Document) -> str:
    """A document as a reader of the page would see it: headings and text, no metadata."""
    parts = [document.title]
    for section in document.sections:
        parts += [*section.headings[-1:], document.text[section.start : section.end]]
    return "\n\n".join(parts)


class FusionRetriever(Retriever):
    """Our two indexes fused by rank, without the reranker; a passage's score is its best cosine."""

    def __init__(self, bench: Workbench) -> None:
        self._knowledge = bench.settings.knowledge.retrieval
        self._query_embedder = bench.embedder
        rows = [(row, entry.passage) for row, entry in enumerate(bench.index.entries) if entry.passage is not None]
        self._owners = np.array([passage for _, passage in rows])
        self._all_vectors = np.asarray(bench.index.vectors)[[row for row, _ in rows]]
        super().__init__(bench.index, bench.embedder, bench.reranker, self._knowledge)

    def retrieve(self, query: str, documents: frozenset[str] | None = None) -> list[RankedPassage]:
        """Ranked passages in the order of fusion."""
        text = normalise(query)
        vector = self._query_embedder.embed_query(text)
        n = self._knowledge.candidates * 5
        found = (
            self.index.dense.search(vector, n, QUESTIONS),
            self.index.dense.search(vector, n, BODIES),
            self.index.keyword.search(text, n),
        )
        rankings = [self._passages_of(entry for entry, _ in hits) for hits in found]
        best = np.zeros(len(self.index.passages), dtype=np.float32)
        np.maximum.at(best, self._owners, self._all_vectors @ vector)
        fused = [
            number
            for number in reciprocal_rank_fusion(rankings)
            if documents is None or self.index.passages[number].document_id in documents
        ][: self._knowledge.passages]
        return [
            RankedPassage(self.index.passages[number], rank, float(best[number])) for rank, number in enumerate(fused, start=1)
        ]


def without_keyword(index: Index) -> Index:
    """The index as if the keyword side were not there: no hits, no word weights."""
    return replace(index, keyword=_NoKeyword())


def without_dense(index: Index) -> Index:
    """The index as if there were no vectors: no hits, every cosine 0."""
    return replace(index, dense=_NoDense(), vectors=np.zeros_like(np.asarray(index.vectors)))


def without_questions(index: Index) -> Index:
    """The index over the passages' text alone: the ways of asking for them are not known."""
    rows = [row for row, entry in enumerate(index.entries) if entry.kind == "body"]
    entries = tuple(index.entries[row] for row in rows)
    vectors = np.asarray(index.vectors)[rows]
    return replace(
        index,
        passages=tuple(replace(passage, asks=()) for passage in index.passages),
        entries=entries,
        vectors=vectors,
        dense=ExactDense(vectors, entries),
        keyword=keyword_over([entry.text for entry in entries]),
    )


class ExactDense(DenseIndex):
    """Vectors in memory, searched exhaustively; `entries` says which group each belongs to."""

    def __init__(self, vectors: Vectors, entries: Sequence[Entry]) -> None:
        self._vectors = vectors
        self._rows = {group: [n for n, entry in enumerate(entries) if entry.group == group] for group in (QUESTIONS, BODIES)}
        self.size = len(vectors)

    def search(self, vector: Vectors, n: int, group: str) -> list[tuple[int, float]]:
        """See `DenseIndex.search`."""
        rows = self._rows[group]
        cosines = self._vectors[rows] @ vector
        order = np.argsort(-cosines, kind="stable")[:n]
        return [(rows[place], float(cosines[place])) for place in order]

    def close(self) -> None:
        """Nothing to let go of."""


class _NoDense(ExactDense):
    def __init__(self) -> None:
        super().__init__(np.zeros((0, 0), dtype=np.float32), ())

    def search(self, vector: Vectors, n: int, group: str) -> list[tuple[int, float]]:
        return []


class _NoKeyword(KeywordIndex):
    def __init__(self) -> None:
        self.size = 0

    def search(self, query: str, n: int) -> list[tuple[int, float]]:
        return []

    def weight(self, token: str) -> float:
        return 0.0

    def knows(self, token: str) -> bool:
        return False


def keyword_over(texts: Sequence[str]) -> KeywordIndex:
    """A keyword index over raw texts, in memory once it is open."""
    with tempfile.TemporaryDirectory(prefix="jiebei-eval-") as folder:
        KeywordIndex.build(Path(folder), [normalise(text) for text in texts])
        return KeywordIndex.open(Path(folder), len(texts))


def _body(passage: Passage) -> str:
    return f"{passage.title} {passage.heading}\n{passage.text}"


def _body_vectors(index: Index) -> Vectors:
    rows = {entry.passage: row for row, entry in enumerate(index.entries) if entry.kind == "body"}
    vectors: Vectors = np.asarray(index.vectors)[[rows[number] for number in range(len(index.passages))]]
    return vectors


def _hit(passage: Passage, score: float) -> Hit:
    return Hit(passage.id, passage.document_id, passage.text, score)
