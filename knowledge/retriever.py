"""The online line: query → nearest known questions and their vote → candidates → signals → ranked passages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np

from knowledge.chinese_text import normalise, segment
from knowledge.embedding import Embedder, Vectors
from knowledge.index import BODIES, QUESTIONS, Index
from knowledge.intents import load_intent_head
from knowledge.neighbours import Vote, vote
from knowledge.passages import Passage, RankedPassage
from knowledge.reranking import Reranker, discounted
from knowledge.settings import RetrievalSettings
from knowledge.signals import (
    Reading,
    agreement,
    coverage,
    extra,
    letters,
    missing,
    missing_product,
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
_DANGERS = frozenset({"scam", "illicit", "crisis"})
# Known questions looked at for a query: enough for the vote and for a dozen passages.
NEAREST_QUESTIONS = 120
# Of a passage's ways of asking, those compared with the query word by word: the nearest say it all.
_COMPARED = 8


@dataclass(frozen=True, slots=True)
class _Nearest:
    """A query's vector, the known questions nearest to it as (entry, cosine), what they vote for, and its intents.

    `strange`: how likely no passage answers it, by the vote and by the intent head together.
    """

    vector: Vectors
    questions: tuple[tuple[int, float], ...]
    vote: Vote
    intents: dict[str, float]

    @property
    def strange(self) -> float:
        found = self.vote.kinds.get("out_of_scope", 0.0)
        return (found + self.intents["out_of_scope"]) / 2 if self.intents else found


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
        self._head = load_intent_head(embedder.identity)
        self._silence = reranker.thresholds.silence if reranker.model == embedder.identity else 0.0
        self._rows = _rows_by_passage(index)
        self._numbers = {passage.id: number for number, passage in enumerate(index.passages)}
        self._readings = lru_cache(maxsize=32768)(read)
        self._words = lru_cache(maxsize=8192)(self._words_of)
        # The same question is looked up for its intent and for its passages.
        self._nearest = lru_cache(maxsize=256)(self._find_nearest)

    def retrieve(self, query: str, documents: frozenset[str] | None = None) -> list[RankedPassage]:
        """Ranked passages, best first; empty for a query without a single word.

        `documents` limits the ranking to those document ids.
        """
        reading = read(query)
        if not reading.words:
            return []
        nearest = self._nearest(reading.text)
        candidates = self._candidates(reading, nearest) if documents is None else self._passages_in(documents)
        scored = [self._score(reading, nearest, number) for number in candidates]
        scored.sort(key=lambda item: (-item[0], item[1].id))
        return [
            RankedPassage(passage, rank, score, tuple(signals.items()))
            for rank, (score, passage, signals) in enumerate(scored[: self.settings.passages], start=1)
        ]

    def intents(self, query: str) -> dict[str, float]:
        """What the question seems to be: covered, out_of_scope, scam, illicit or crisis, with probabilities.

        The nearer it is to questions that only look alarming, the less a danger is believed. Empty for a model
        that no intent head was fitted on.
        """
        nearest = self._nearest(read(query).text)
        believed = 1.0 - nearest.vote.kinds.get("harmless", 0.0)
        return {kind: share * believed if kind in _DANGERS else share for kind, share in nearest.intents.items()}

    def nearness(self, text: str, passage: Passage) -> float:
        """Cosine of a text, read as one that might stand in a passage, with what the passage says."""
        row = self._rows[self._numbers[passage.id]][1]
        return float(self.embedder.embed_passages([normalise(text)])[0] @ self.index.vectors[row])

    def nearest_cosine(self, query: str) -> float:
        """Cosine of a query with the nearest question that is known; 0 where none is."""
        return max((cosine for _, cosine in self._nearest(read(query).text).questions), default=0.0)

    def _find_nearest(self, text: str) -> _Nearest:
        vector = self.embedder.embed_query(text)
        questions = self.index.dense.search(vector, NEAREST_QUESTIONS, QUESTIONS)
        entries = self.index.entries
        return _Nearest(
            vector,
            tuple(questions),
            vote(((entries[entry].owner, cosine) for entry, cosine in questions), self._silence),
            self._head.read(text, vector) if self._head is not None else {},
        )

    def _candidates(self, query: Reading, nearest: _Nearest) -> list[int]:
        n = self.settings.candidates
        bodies = self.index.dense.search(nearest.vector, n, BODIES)
        keyword = self.index.keyword.search(query.text, n * 5)
        rankings = [self._passages_of(entry for entry, _ in hits) for hits in (nearest.questions, bodies, keyword)]
        return reciprocal_rank_fusion(rankings)[:n]

    def _passages_in(self, documents: frozenset[str]) -> list[int]:
        return [number for number, passage in enumerate(self.index.passages) if passage.document_id in documents]

    def _passages_of(self, entries: Iterable[int]) -> list[int]:
        owners = (self.index.entries[entry].passage for entry in entries)
        return list(dict.fromkeys(owner for owner in owners if owner is not None))

    def _score(self, query: Reading, nearest: _Nearest, number: int) -> tuple[float, Passage, dict[str, float]]:
        passage = self.index.passages[number]
        rows, body_row = self._rows[number]
        cosines = self.index.vectors[rows] @ nearest.vector
        asked = [self._readings(self.index.entries[rows[place]].text) for place in np.argsort(-cosines)[:_COMPARED]]
        heading = self._readings(passage.heading)
        weight = self.index.keyword.weight
        strange = nearest.strange
        signals = {
            "votes": nearest.vote.passages.get(number, 0.0),
            "question_cosine": float(cosines.max(initial=0.0)),
            "body_cosine": float(self.index.vectors[body_row] @ nearest.vector),
            "question_overlap": max((overlap(query, question, weight) for question in asked), default=0.0),
            "coverage": coverage(query, self._words(number).union(*(question.words for question in asked)), weight),
            "agreement": max((agreement(query, question) for question in asked), default=0.0),
            "same_way": max((same_way(query, question) for question in asked), default=0.0),
            "letters": max((letters(query, question) for question in asked), default=0.0),
            "missing": missing(query, asked),
            "extra": extra(query, heading) if asked else 0.0,
            "opposition": opposition(query, asked),
            "stray_product": stray_product(query, heading) if asked else 0.0,
            "missing_product": missing_product(query, heading) if asked else 0.0,
            "trust": _TRUST[passage.source_type],
            "stale": float(is_stale(passage, self.today())),
            "unknown": self._unknown(query),
            "out_of_scope": strange,
        }
        score = discounted(self.reranker.score(signals), strange)
        return score, passage, {name: round(value, 4) for name, value in signals.items()}

    def _unknown(self, query: Reading) -> float:
        """Share of the query's words that the whole corpus never uses."""
        return sum(not self.index.keyword.knows(word) for word in query.words) / len(query.words)

    def _words_of(self, number: int) -> frozenset[str]:
        """Every word of the passage and of its own questions."""
        passage = self.index.passages[number]
        return frozenset(segment(normalise("\n".join([passage.title, *passage.questions, passage.text]))))


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
    questions: dict[int, list[int]] = {number: [] for number in range(len(index.passages))}
    bodies: dict[int, int] = {}
    for row, entry in enumerate(index.entries):
        if entry.passage is not None and entry.group == BODIES:
            bodies[entry.passage] = row
        elif entry.passage is not None:
            questions[entry.passage].append(row)
    return {number: (rows, bodies[number]) for number, rows in questions.items()}
