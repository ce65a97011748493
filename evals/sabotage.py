"""Damage done to the system on purpose, to see whether the gate notices. Nothing is patched: parts are wrapped."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assistant import Answer, Sentence
from evals.systems import FusionRetriever, without_keyword
from evals.workbench import AlteredRetriever, Bot, Change, Workbench
from knowledge.index import Index
from knowledge.passages import RankedPassage
from knowledge.retriever import Retriever

_SWAPS = {"提": "降", "降": "提", "涨": "跌", "升": "降", "高": "低", "低": "高", "增": "减", "减": "增"}
_RAISE_OR_DROP = re.compile(r"[提降](?=额|了?额度|升|高|低)|(?<=额度)[涨升降]|(?<=[提降])[高低升]")
_PROMISE = "你放心，额度一定会恢复。"
_LIFTED = 0.15


@dataclass(frozen=True, slots=True)
class Damage:
    """One act of sabotage: a retriever to use, and what happens around the assistant."""

    name: str
    retriever: Callable[[Workbench], Retriever] = lambda bench: bench.retriever
    around: Callable[[Workbench, Bot], Bot] = lambda _, bot: bot


def no_reranker() -> Damage:
    """Passages in the order of fusion, scored by the cosine alone."""
    return Damage("去掉重排", FusionRetriever)


def no_keyword_index() -> Damage:
    """Nothing from the keyword index: neither its hits nor its word weights."""
    return Damage("去掉关键词索引", lambda bench: bench.retriever_over(without_keyword(bench.index)))


def shuffled_citations(seed: int = 1) -> Damage:
    """Every citation points at a passage drawn at random."""
    return Damage("打乱引用", around=lambda bench, bot: _Shuffled(bench.index, bot, random.Random(seed)))  # noqa: S311


def swapped_questions() -> Damage:
    """提额 becomes 降额 in the question, and the other way round."""
    return Damage("对调提额和降额", around=lambda _, bot: lambda question, history: bot(swap(question), history))


def lower_threshold() -> Damage:
    """Scores lifted without changing their order, which is what a lower threshold for refusing comes to."""
    return Damage("放低拒答门槛", lambda bench: AlteredRetriever(bench.retriever, _lift))


def added_promise() -> Damage:
    """A promise after every answer."""
    return Damage("加一句承诺", around=lambda _, bot: lambda question, history: _promise(bot(question, history)))


def cut_document(document: str) -> Damage:
    """A document that is no longer there."""
    return Damage(
        f"少一篇 {document}", lambda bench: AlteredRetriever(bench.retriever, leaving_out(document), _cut(bench.index, document))
    )


def swap(question: str) -> str:
    """The question with raising and lowering exchanged."""
    return _RAISE_OR_DROP.sub(lambda match: _SWAPS[match.group()], question)


def leaving_out(document: str) -> Change:
    """A ranking without the passages of one document."""
    return lambda _, ranked: reranked([item for item in ranked if item.passage.document_id != document])


def reranked(items: Sequence[RankedPassage]) -> list[RankedPassage]:
    """The items with ranks 1, 2, 3 … in the order given."""
    return [replace(item, rank=rank) for rank, item in enumerate(items, start=1)]


def _lift(_: str, ranked: list[RankedPassage]) -> list[RankedPassage]:
    return [replace(item, score=item.score**_LIFTED) for item in ranked]


def _promise(answer: Answer) -> Answer:
    return replace(answer, sentences=(*answer.sentences, Sentence(_PROMISE, (1,)))) if answer.sentences else answer


def _cut(index: Index, document: str) -> Index:
    return replace(
        index,
        by_id={id_: passage for id_, passage in index.by_id.items() if passage.document_id != document},
        corrections={
            claim: tuple(passage for passage in passages if passage.document_id != document)
            for claim, passages in index.corrections.items()
        },
    )


class _Shuffled:
    def __init__(self, index: Index, bot: Bot, rng: random.Random) -> None:
        self._index, self._bot, self._rng = index, bot, rng

    def __call__(self, question: str, history: Sequence[dict[str, str]]) -> Answer:
        answer = self._bot(question, history)
        others = self._rng.sample(self._index.passages, len(answer.citations))
        citations = [
            replace(c, passage_id=p.id, document=p.document_id, quote=p.text, start=p.start, end=p.end)
            for c, p in zip(answer.citations, others, strict=True)
        ]
        return replace(answer, citations=tuple(citations))
