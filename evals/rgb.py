"""RGB's four tests (Chen et al., AAAI 2024) on our own passages, without a judge.

noise            the gold passage beside 0, 1, 3 and 7 of its nearest rivals: is it still what the answer rests on?
rejection        the gold passages taken away: is the question refused, or answered as not quite met?
integration      two questions in one: are both gold passages cited?
counterfactual   an article that says the opposite, indexed under the very question: is it kept out, or put right first?
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assistant import Answer, AssistantError
from evals.cases import Case
from evals.resampling import Estimate, estimate
from evals.runner import Exam, progress_bar
from evals.sabotage import reranked
from evals.systems import ExactDense, keyword_over
from evals.text_checks import plain, sentences_of
from evals.workbench import AlteredRetriever, Workbench
from knowledge.chinese_text import normalise
from knowledge.index import Entry, Index
from knowledge.passages import Document, Passage, RankedPassage

_NOISE = (0, 1, 3, 7)
_EACH = 60
_SEED = 20261123
_PUBLISHER, _CAUTION = "网友", "网络文章，未经核实。"
# The first that fits turns a statement into its opposite.
_OPPOSITES = (
    ("不一定", "一定"), ("不能", "能"), ("不会", "会"), ("不要", "要"), ("没有", "有"), ("可能", "不可能"),
    ("可以", "不可以"), ("需要", "不需要"), ("会", "不会"), ("能", "不能"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Lie:
    """A falsified passage with its document, and the sentence nobody may assert."""

    case: Case
    passage: Passage
    document: Document
    sentence: str


def run_rgb(exam: Exam, bench: Workbench, *, each: int = _EACH, show: bool = True) -> dict[str, dict[str, Estimate]]:
    """Test → measure → estimate over a drawn sample of the answerable cases."""
    cases = [case for case in exam.cases if case.family == "answerable" and case.expect == "answer" and not case.history]
    chosen = random.Random(_SEED).sample(cases, min(each, len(cases)))  # noqa: S311
    found: dict[str, dict[str, list[float]]] = {
        "noise": _noise(chosen, exam, bench, show),
        "rejection": _rejection(chosen, exam, bench, show),
        "integration": _integration(chosen, exam, bench, show),
        "counterfactual": _counterfactual(chosen, exam, bench, show),
    }
    estimates = {test: {name: estimate(list(values)) for name, values in measures.items()} for test, measures in found.items()}
    return {test: {name: value for name, value in measures.items() if value} for test, measures in estimates.items()}


def opposite(text: str) -> str | None:
    """The first sentence turned into its opposite; None where no rule fits.

    >>> opposite("借呗可以提前还清。")
    '借呗不可以提前还清。'
    """
    first = next(iter(sentences_of(text)), "")
    for word, other in _OPPOSITES:
        if word in first:
            return first.replace(word, other, 1)
    return None


def _noise(cases: Sequence[Case], exam: Exam, bench: Workbench, show: bool) -> dict[str, list[float]]:
    measures: dict[str, list[float]] = {}
    for rivals in _NOISE:
        values = measures[f"相邻段落 {rivals} 个"] = []
        for case in progress_bar(cases, f"RGB 噪声 {rivals}", show):
            gold = exam.labels[case.id].keys()
            ask = _asker(bench, lambda _, ranked, gold=gold, rivals=rivals: _beside(ranked, gold, rivals, bench.index))  # type: ignore[misc]
            answer = ask(case.question)
            values.append(float(answer is not None and any(citation.passage_id in gold for citation in answer.citations)))
    return measures


def _rejection(cases: Sequence[Case], exam: Exam, bench: Workbench, show: bool) -> dict[str, list[float]]:
    refused, withheld = [], []
    for case in progress_bar(cases, "RGB 拒答", show):
        gold = exam.labels[case.id].keys()
        ask = _asker(bench, lambda _, ranked, gold=gold: reranked([r for r in ranked if r.passage.id not in gold]))  # type: ignore[misc]
        answer = ask(case.question)
        refused.append(float(answer is not None and answer.status == "refused"))
        withheld.append(float(answer is not None and answer.status in ("refused", "partial", "clarify")))
    return {"拒答": refused, "拒答或说明不完全对应": withheld}


def _integration(cases: Sequence[Case], exam: Exam, bench: Workbench, show: bool) -> dict[str, list[float]]:
    both, one = [], []
    ask = _asker(bench)
    pairs = [
        (a, b)
        for a, b in zip(cases[::2], cases[1::2], strict=False)
        if {g.document for g in a.gold}.isdisjoint(g.document for g in b.gold)
    ]
    for first, second in progress_bar(pairs, "RGB 整合", show):
        answer = ask(f"{first.question.rstrip('？?。')}？还有，{second.question}")
        cited = {citation.passage_id for citation in answer.citations} if answer is not None else set()
        found = [bool(cited & exam.labels[case.id].keys()) for case in (first, second)]
        both.append(float(all(found)))
        one.append(float(any(found)))
    return {"两问都答到": both, "至少答到一问": one}


def _counterfactual(cases: Sequence[Case], exam: Exam, bench: Workbench, show: bool) -> dict[str, list[float]]:
    lies = list(_lies(cases, exam, bench.index))
    if not lies:
        return {}
    ask = _asker(bench, index=_with_lies(bench.index, lies, bench))
    clean, absent = [], []
    for lie in progress_bar(lies, "RGB 反事实", show):
        answer = ask(lie.case.question)
        said = answer is not None and plain(lie.sentence) in plain(answer.text)
        absent.append(float(answer is not None and not said))
        clean.append(float(answer is not None and (not said or _is_put_right(answer, lie, exam))))
    return {"没有采信，或先作了更正": clean, "完全没有出现": absent}


def _is_put_right(answer: Answer, lie: _Lie, exam: Exam) -> bool:
    cited = [citation.passage_id for citation in answer.citations]
    right = [place for place, passage in enumerate(cited) if passage in exam.labels[lie.case.id]]
    wrong = [place for place, passage in enumerate(cited) if passage == lie.passage.id]
    return bool(right and wrong and right[0] < wrong[0] and answer.citations[wrong[0]].caution)


def _beside(ranked: Sequence[RankedPassage], gold: Iterable[str], rivals: int, index: Index) -> list[RankedPassage]:
    wanted = set(gold)
    found = {item.passage.id for item in ranked}
    lowest = min((item.score for item in ranked), default=0.0)
    given = [RankedPassage(index.by_id[id_], 0, lowest) for id_ in wanted - found if id_ in index.by_id]
    others = [item for item in ranked if item.passage.id not in wanted][:rivals]
    kept = {item.passage.id for item in others} | wanted
    return reranked([*(item for item in ranked if item.passage.id in kept), *given])


def _lies(cases: Sequence[Case], exam: Exam, index: Index) -> Iterable[_Lie]:
    for number, case in enumerate(cases):
        passage = next((index.by_id[id_] for id_ in exam.labels[case.id] if id_ in index.by_id), None)
        sentence = opposite(passage.text) if passage is not None else None
        if passage is None or sentence is None or passage.source_type == "user_article":
            continue
        id_ = f"counterfactual-{number}"
        text = sentence + passage.text[len(next(iter(sentences_of(passage.text)))) :]
        document = replace(
            index.documents[passage.document_id], id=id_, path=f"{id_}.md", text=text,
            source_type="user_article", publisher=_PUBLISHER, caution=_CAUTION,
        )  # fmt: skip
        false = replace(
            passage, id=f"{id_}#1", document_id=id_, document_path=document.path, text=text, start=0, end=len(text),
            asks=(case.question,), corrects=(), claims=(), source=None, url=None,
            source_type="user_article", publisher=_PUBLISHER, caution=_CAUTION,
        )  # fmt: skip
        yield _Lie(case, false, document, sentence)


def _with_lies(index: Index, lies: Sequence[_Lie], bench: Workbench) -> Index:
    passages = (*index.passages, *(lie.passage for lie in lies))
    questions, bodies = [], []
    for number, lie in enumerate(lies, start=len(index.passages)):
        questions.append(Entry(number, "question", lie.case.question))
        bodies.append(Entry(number, "body", f"{lie.passage.title} {lie.passage.heading}\n{lie.passage.text}"))
    entries = (*index.entries, *questions, *bodies)
    vectors = np.vstack([
        np.asarray(index.vectors),
        bench.embedder.embed_queries([normalise(entry.text) for entry in questions]),
        bench.embedder.embed_passages([normalise(entry.text) for entry in bodies]),
    ])  # fmt: skip
    return replace(
        index,
        documents=index.documents | {lie.document.id: lie.document for lie in lies},
        passages=passages,
        entries=entries,
        vectors=vectors,
        dense=ExactDense(vectors, entries),
        keyword=keyword_over([entry.text for entry in entries]),
        by_id=index.by_id | {lie.passage.id: lie.passage for lie in lies},
    )


def _asker(
    bench: Workbench,
    change: Callable[[str, list[RankedPassage]], list[RankedPassage]] = lambda _, ranked: ranked,
    index: Index | None = None,
) -> Callable[[str], Answer | None]:
    inner = bench.retriever if index is None else bench.retriever_over(index)
    assistant = bench.assistant_over(AlteredRetriever(inner, change))

    def ask(question: str) -> Answer | None:
        try:
            return assistant.ask(question)
        except AssistantError:
            return None

    return ask
