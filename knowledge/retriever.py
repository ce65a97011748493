"""The online line: query → candidates of both indexes → fusion by rank → signals → ranked passages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache

from knowledge.embedding import Embedder, Vectors
from knowledge.index import Index
from knowledge.intents import load_intent_head
from knowledge.passages import Passage, RankedPassage
from knowledge.reranking import Reranker
from knowledge.settings import RetrievalSettings
from knowledge.signals import (
    Reading,
    agreement,
    coverage,
    extra,
    letters,
    missing,
    opposition,
    overlap,
    read,
    same_way,
    stray_product,
)

# Between equals the better source comes first.
_TRUST = {"law": 1.0, "regulator": 0.9, "official": 0.8, "guidance": 0.6, "news": 0.5, "user_article": -6.0}
# What it is worth in a conversation that a passage belongs to the document in hand; measured on development follow-ups.
_HOME_BONUS = 0.2
# Entries asked for from each index per wanted passage: a passage owns about five of them.
_ENTRIES_PER_PASSAGE = 5


class Retriever:
    """Finds the passages of one index that answer a query; safe to share between threads."""

    def __init__(
        self,
        index: Index,
        embedder: Embedder,
        reranker: Reranker,
        settings: RetrievalSettings,
        today: Callable[[], date] = date.today,
    ) -> None:
        self.index = index
        self.today = today
        self.embedder = embedder
        self.reranker = reranker
        self.settings = settings
        self._rows = _rows_by_passage(index)
        self._readings = lru_cache(maxsize=8192)(self._read_passage)
        # The same question is embedded for its intent and for its passages.
        self._vector = lru_cache(maxsize=256)(embedder.embed_query)
        self._head = load_intent_head(embedder.identity)

    def retrieve(self, query: str, documents: frozenset[str] | None = None) -> list[RankedPassage]:
        """Ranked passages, best first; empty for a query without a single word.

        `documents` limits the ranking to those document ids.
        """
        reading = read(query)
        if not reading.words:
            return []
        vector = self._vector(reading.text)
        strange = self.intents(query).get("out_of_scope", 0.0)
        candidates = self._candidates(reading, vector) if documents is None else self._passages_in(documents)
        scored = [self._score(reading, vector, number, strange) for number in candidates]
        scored.sort(key=lambda item: (-item[0], item[1].id))
        return [
            RankedPassage(passage, rank, score, tuple(signals.items()))
            for rank, (score, passage, signals) in enumerate(scored[: self.settings.passages], start=1)
        ]

    def intents(self, query: str) -> dict[str, float]:
        """What the question seems to be: covered, out_of_scope, scam, illicit or crisis, with probabilities.

        Empty for a model that no intent head was fitted on.
        """
        return self._head.read(self._vector(read(query).text)) if self._head is not None else {}

    def _candidates(self, query: Reading, vector: Vectors) -> list[int]:
        n = self.settings.candidates
        dense = self.index.dense.search(vector, n * _ENTRIES_PER_PASSAGE)
        keyword = self.index.keyword.search(query.text, n * _ENTRIES_PER_PASSAGE)
        rankings = [self._passages_of(entry for entry, _ in hits) for hits in (dense, keyword)]
        return reciprocal_rank_fusion(rankings)[:n]

    def _passages_in(self, documents: frozenset[str]) -> list[int]:
        return [number for number, passage in enumerate(self.index.passages) if passage.document_id in documents]

    def _passages_of(self, entries: Iterable[int]) -> list[int]:
        return list(dict.fromkeys(self.index.entries[entry].passage for entry in entries))

    def _score(self, query: Reading, vector: Vectors, number: int, strange: float) -> tuple[float, Passage, dict[str, float]]:
        passage = self.index.passages[number]
        questions, words = self._readings(number)
        question_rows, body_row = self._rows[number]
        weight = self.index.keyword.weight
        signals = {
            "question_cosine": max((float(self.index.vectors[row] @ vector) for row in question_rows), default=0.0),
            "body_cosine": float(self.index.vectors[body_row] @ vector),
            "question_overlap": max((overlap(query, question, weight) for question in questions), default=0.0),
            "coverage": coverage(query, words, weight),
            "agreement": max((agreement(query, question) for question in questions), default=0.0),
            "same_way": max((same_way(query, question) for question in questions), default=0.0),
            "letters": max((letters(query, question) for question in questions), default=0.0),
            "missing": missing(query, questions),
            "extra": extra(query, questions[0]) if questions else 0.0,
            "opposition": opposition(query, questions),
            "stray_product": stray_product(query, questions[0]) if questions else 0.0,
            "trust": _TRUST[passage.source_type],
            "stale": float(is_stale(passage, self.today())),
            "unknown": self._unknown(query),
            "out_of_scope": strange,
        }
        # However near a passage is, it answers nothing for a question that belongs elsewhere.
        score = self.reranker.score(signals) * (1.0 - strange)
        return score, passage, {name: round(value, 4) for name, value in signals.items()}

    def _unknown(self, query: Reading) -> float:
        """Share of the query's words that the whole corpus never uses."""
        return sum(not self.index.keyword.knows(word) for word in query.words) / len(query.words)

    def _read_passage(self, number: int) -> tuple[tuple[Reading, ...], frozenset[str]]:
        passage = self.index.passages[number]
        asked = (*passage.questions, *passage.wordings)
        questions = tuple(read(question) for question in asked) if passage.headings else ()
        words = read(f"{passage.title}\n{passage.text}").words
        return questions, words.union(*(question.words for question in questions))


def reciprocal_rank_fusion(rankings: Sequence[Sequence[int]], *, k: int = 60) -> list[int]:
    """Merge rankings by rank alone, so that scores on different scales never meet.

    An item earns 1 / (k + rank) from each ranking that holds it (Cormack, Clarke and Büttcher,
    SIGIR 2009); ties go to the smaller item, so the order is the same on every run.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (k + rank)
    return sorted(scores, key=lambda item: (-scores[item], item))


def blend(
    rankings: Sequence[Sequence[RankedPassage]], *, leaving_out: frozenset[str] = frozenset(), home: frozenset[str] = frozenset()
) -> list[RankedPassage]:
    """One ranking from several for the same need: the mean of a passage's scores, 0 where it is not ranked.

    Passages `leaving_out` are dropped; those of the `home` documents are preferred, since a conversation
    tends to stay with its subject.
    """
    found: dict[str, list[RankedPassage]] = {}
    for ranking in rankings:
        for item in ranking:
            found.setdefault(item.passage.id, []).append(item)
    scores = {
        id_: min(1.0, sum(item.score for item in items) / len(rankings) + _HOME_BONUS * (items[0].passage.document_id in home))
        for id_, items in found.items()
        if id_ not in leaving_out
    }
    order = sorted(scores, key=lambda id_: (-scores[id_], id_))
    return [
        RankedPassage(found[id_][0].passage, rank, scores[id_], found[id_][0].signals) for rank, id_ in enumerate(order, start=1)
    ]


def is_stale(passage: Passage, today: date) -> bool:
    """Whether the day by which the passage was to be checked again has passed."""
    return passage.review_by is not None and date.fromisoformat(passage.review_by) < today


def _rows_by_passage(index: Index) -> Mapping[int, tuple[list[int], int]]:
    rows: dict[int, tuple[list[int], int]] = {}
    for row, entry in enumerate(index.embedded):
        questions, body = rows.get(entry.passage, ([], 0))
        rows[entry.passage] = ([*questions, row], body) if entry.kind == "question" else (questions, row)
    return rows
