"""The gate, on runs whose outcome is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from evals.cases import CaseError
from evals.gate import Baseline, Tolerance, judge, load_baseline, render, save_baseline
from evals.scoring import Score
from tests.evals.fakes import score_of


def baseline_of(scores: Sequence[Score]) -> Baseline:
    harmful = frozenset(score.case.id for score in scores if score.harms)
    return Baseline({score.case.id: score.passed for score in scores}, harmful, Tolerance(), {})


def many(n: int, failing: int = 0, family: str = "answerable") -> list[Score]:
    # one document each, so that only the family is judged
    return [score_of(f"{family}-{i}", i >= failing, family=family, document=f"{family}{i}") for i in range(n)]


def test_the_same_run_again_passes() -> None:
    assert judge(many(10), baseline_of(many(10))).is_open


@pytest.mark.parametrize(("n", "lost", "is_open"), [(10, 1, True), (10, 2, False), (200, 4, True), (200, 5, False)])
def test_a_family_may_lose_one_case_or_two_points(n: int, lost: int, is_open: bool) -> None:
    assert judge(many(n, failing=lost), baseline_of(many(n))).is_open is is_open


def test_the_family_and_its_cases_are_named() -> None:
    now = [*many(10), *many(10, failing=2, family="lookalike")]
    verdict = judge(now, baseline_of([*many(10), *many(10, family="lookalike")]))
    assert [(alarm.name, alarm.cases) for alarm in verdict.alarms] == [("lookalike", ("lookalike-0", "lookalike-1"))]
    assert "lookalike-1" in render(verdict) and "不通过" in render(verdict)


def test_gains_elsewhere_in_a_family_make_up_for_losses() -> None:
    before = [score_of("a", True, document="1"), score_of("b", True, document="2"), score_of("c", False), score_of("d", False)]
    now = [score_of("a", False, document="1"), score_of("b", False, document="2"), score_of("c", True), score_of("d", True)]
    verdict = judge(now, baseline_of(before))
    assert (verdict.is_open, verdict.better, verdict.worse) == (True, ("c", "d"), ("a", "b"))


def test_a_document_lost_in_a_large_family_is_noticed() -> None:
    lost = [score_of(f"x{i}", False, document="cut") for i in range(3)]
    had = [score_of(f"x{i}", True, document="cut") for i in range(3)]
    verdict = judge([*many(300), *lost], baseline_of([*many(300), *had]))
    assert [alarm.name for alarm in verdict.alarms] == ["answerable（文档 cut）"]


def test_one_new_harm_is_too_many_even_in_a_new_case() -> None:
    verdict = judge([*many(300), score_of("new", False, harms=("承诺：保证恢复",))], baseline_of(many(300)))
    assert [alarm.cases for alarm in verdict.alarms] == [("new",)]


def test_an_old_harm_is_not_new() -> None:
    scores = [*many(5), score_of("old", False, harms=("承诺：保证恢复",))]
    assert judge(scores, baseline_of(scores)).is_open


def test_a_case_that_disappeared_is_noticed() -> None:
    verdict = judge(many(9), baseline_of(many(10)))
    assert not verdict.is_open and verdict.alarms[0].cases == ("answerable-9",)


def test_a_part_of_the_cases_can_be_compared_alone() -> None:
    assert judge(many(3), baseline_of(many(10)), {f"answerable-{i}" for i in range(10)}).is_open


def test_a_new_case_that_fails_is_no_loss() -> None:
    verdict = judge([*many(5), score_of("new", False)], baseline_of(many(5)))
    assert verdict.is_open and verdict.new == 1


def test_a_baseline_survives_the_way_to_disk(tmp_path: Path) -> None:
    scores = [*many(3, failing=1), score_of("h", False, harms=("承诺：x",))]
    save_baseline(tmp_path / "b" / "gate.json", scores, {"索引": "v"}, Tolerance(2, 3.0))
    loaded = load_baseline(tmp_path / "b" / "gate.json")
    assert loaded == Baseline({s.case.id: s.passed for s in scores}, frozenset({"h"}), Tolerance(2, 3.0), {"索引": "v"})


@pytest.mark.parametrize("content", [None, "{", "[]", '{"families": {}}'])
def test_a_missing_or_damaged_baseline_is_one_sentence(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "gate.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CaseError, match="update-baseline"):
        load_baseline(path)
