"""Which passages an answer may rest on, how they are numbered, and what a marker points at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from assistant.answer import Citation
from assistant.prompts import STALE
from knowledge.chinese_text import iter_sentences
from knowledge.index import Index
from knowledge.passages import Passage, RankedPassage
from knowledge.reranking import Thresholds

_PASSAGES = 3
# Readers found a second thing they had not asked for to be one too many.
_CONTINUATIONS = 1
_TOO_ALIKE = 0.6
# A reviewed passage goes before an article that scores up to twice as high.
_WORTH_OF_AN_ARTICLE = 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of a passage: `start` and `end` in the document; `is_step` for a line of its list."""

    text: str
    start: int
    end: int
    is_step: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """The passages an answer rests on.

    `answers` hold what was asked, one for each question in the question; `continuations` what the
    asker needs next. `is_exact` is false where the best passage is near the question without quite
    meeting it.
    """

    answers: tuple[RankedPassage, ...]
    continuations: tuple[RankedPassage, ...]
    is_exact: bool

    @property
    def passages(self) -> tuple[RankedPassage, ...]:
        """All of them, in the order of their markers: marker n is `passages[n - 1]`."""
        return self.answers + self.continuations


def select(rankings: Sequence[Sequence[RankedPassage]], index: Index, thresholds: Thresholds) -> Evidence | None:
    """The passages good enough to speak from, one ranking for each question; None when there is nothing to go on.

    The best passage answers; the passages it names as `then` continue. A neighbour in the ranking
    answers another question, so it is offered as a follow-up and not mixed in. A passage that makes
    doubtful claims never stands alone: the passages that correct it go first.
    """
    best = [item for item in map(_most_trusted, rankings) if item is not None and item.score >= thresholds.near]
    if not best:
        return None
    answers: list[RankedPassage] = []
    for item in best:
        for candidate in (*_linked(item, _correcting(item.passage, index)), item):
            if not any(_alike(candidate.passage, kept.passage) for kept in answers):
                answers.append(candidate)
    continuations: list[RankedPassage] = []
    for candidate in _linked(best[0], [index.by_id[id_] for id_ in best[0].passage.then if id_ in index.by_id]):
        if not any(_alike(candidate.passage, kept.passage) for kept in (*answers, *continuations)):
            continuations.append(candidate)
    exact = len(best) == len(rankings) and all(item.score >= thresholds.answer for item in best)
    return Evidence(tuple(answers[:_PASSAGES]), tuple(continuations[:_CONTINUATIONS] if len(answers) < _PASSAGES else ()), exact)


def lines(passage: Passage) -> tuple[Line, ...]:
    """The sentences of a passage, those of its closing list told apart as steps."""
    found = []
    for start, end in iter_sentences(passage.text):
        line_start = passage.text.rfind("\n", 0, start) + 1
        is_step = passage.text[line_start:start].lstrip().startswith(("-", "*"))
        found.append(Line(passage.text[start:end], passage.start + start, passage.start + end, is_step))
    return tuple(found)


def cite(
    marker: int, ranked: RankedPassage, used: Sequence[Line], document_text: str, is_stale: Callable[[Passage], bool]
) -> Citation:
    """The citation behind a marker; its quote is the shortest span that holds every used line."""
    passage = ranked.passage
    start = min(line.start for line in used)
    end = max(line.end for line in used)
    cautions = [caution for caution in (passage.caution, STALE if is_stale(passage) else None) if caution]
    return Citation(
        marker=marker,
        passage_id=passage.id,
        document=passage.document_id,
        document_path=passage.document_path,
        title=passage.title,
        heading=passage.headings,
        quote=document_text[start:end],
        start=start,
        end=end,
        source_type=passage.source_type,
        source=passage.source,
        publisher=passage.publisher,
        date=passage.date,
        url=passage.url,
        caution="".join(cautions) or None,
        score=round(ranked.score, 4),
        signals=dict(ranked.signals),
    )


def _most_trusted(ranked: Sequence[RankedPassage]) -> RankedPassage | None:
    """The first passage that is no unreviewed article; such an article speaks only where nothing else does."""
    reviewed = next((item for item in ranked if item.passage.source_type != "user_article"), None)
    if reviewed is None or (ranked and reviewed.score < ranked[0].score * _WORTH_OF_AN_ARTICLE):
        return ranked[0] if ranked else None
    return reviewed


def _correcting(passage: Passage, index: Index) -> list[Passage]:
    found = dict.fromkeys(correction for claim in passage.claims for correction in index.corrections.get(claim, ()))
    return list(found)[: _PASSAGES - 1]


def _linked(best: RankedPassage, passages: Sequence[Passage]) -> list[RankedPassage]:
    """Passages that come along with the best one; they are as sure as it is, and not ranked."""
    return [RankedPassage(passage, 0, best.score, (("linked", 1.0),)) for passage in passages]


def _alike(one: Passage, other: Passage) -> bool:
    return SequenceMatcher(None, one.text, other.text, autojunk=False).ratio() > _TOO_ALIKE
