"""Scores as a run would give them, without running anything."""

from __future__ import annotations

from evals.cases import Case, Gold
from evals.outcomes import Outcome
from evals.scoring import Score


def case_of(id_: str, family: str = "answerable", expect: str = "answer", document: str = "zero") -> Case:
    gold = (Gold(document, "原话"),) if expect == "answer" else ()
    return Case(id_, family, "dev", "问题", expect, "主题", "f.jsonl 第 1 行", gold=gold)  # type: ignore[arg-type]


def score_of(
    id_: str,
    passed: bool,
    *,
    family: str = "answerable",
    harms: tuple[str, ...] = (),
    document: str = "zero",
    expect: str = "answer",
) -> Score:
    reasons = () if passed else ("没有引用标准段落",)
    status = "answered" if expect == "answer" else "refused"
    outcome = Outcome(id_, status, text="<b>答</b>")
    return Score(case_of(id_, family, expect, document), outcome, reasons, harms, {"passed": float(passed)})
