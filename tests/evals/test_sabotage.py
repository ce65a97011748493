"""Each act of sabotage turns the gate red, in the family that should notice."""

from __future__ import annotations

import pytest

from evals.gate import Baseline, Tolerance, Verdict, judge
from evals.runner import Exam, run
from evals.sabotage import (
    Damage,
    added_promise,
    cut_document,
    lower_threshold,
    no_keyword_index,
    no_reranker,
    shuffled_citations,
    swap,
    swapped_questions,
)
from evals.workbench import Workbench


@pytest.fixture(scope="module")
def baseline(bench: Workbench, exam: Exam) -> Baseline:
    scores = run(exam, bench, show=False)
    assert [score.case.id for score in scores if not score.passed] == []
    return Baseline({score.case.id: score.passed for score in scores}, frozenset(), Tolerance(), {})


def verdict_on(damage: Damage, bench: Workbench, exam: Exam, baseline: Baseline) -> Verdict:
    return judge(run(exam, bench, damage=damage, show=False), baseline)


@pytest.mark.parametrize(
    ("damage", "family"),
    [
        (no_reranker(), "unanswerable"),
        (no_keyword_index(), "answerable"),
        (shuffled_citations(), "answerable"),
        (swapped_questions(), "lookalike"),
        (lower_threshold(), "unanswerable"),
        (added_promise(), "answerable"),
        (cut_document("repay"), "answerable"),
    ],
    ids=lambda value: value.name if isinstance(value, Damage) else value,
)
def test_the_gate_turns_red_where_it_should(
    damage: Damage, family: str, bench: Workbench, exam: Exam, baseline: Baseline
) -> None:
    verdict = verdict_on(damage, bench, exam, baseline)
    assert not verdict.is_open
    assert family in {alarm.name for alarm in verdict.alarms}


def test_no_damage_leaves_the_gate_open(bench: Workbench, exam: Exam, baseline: Baseline) -> None:
    assert verdict_on(Damage("没有"), bench, exam, baseline).is_open


def test_the_cut_document_is_named(bench: Workbench, exam: Exam, baseline: Baseline) -> None:
    verdict = verdict_on(cut_document("repay"), bench, exam, baseline)
    assert "answerable（文档 repay）" in {alarm.name for alarm in verdict.alarms}


@pytest.mark.parametrize(
    ("question", "swapped"),
    [
        ("怎么提额", "怎么降额"),
        ("为什么被降额", "为什么被提额"),
        ("怎么提高额度", "怎么降低额度"),
        ("提前还款可以吗", "提前还款可以吗"),
    ],
)
def test_only_raising_and_lowering_are_swapped(question: str, swapped: str) -> None:
    assert swap(question) == swapped
