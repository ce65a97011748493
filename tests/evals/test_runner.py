"""A run from end to end over the small corpus: errors, resuming, systems, RGB, the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assistant import Answer
from evals.cases import Case, Gold
from evals.page import render_page
from evals.plots import latency_bars, scaling_plot
from evals.report import render, to_dict
from evals.resampling import estimate
from evals.rgb import run_rgb
from evals.runner import Exam, label, result_file, run, run_systems, sample, score_export
from evals.sabotage import Damage
from evals.summary import OURS, summarise
from evals.systems import Hit, baselines, from_retriever
from evals.workbench import Bot, Workbench
from tests.evals.fakes import case_of, score_of


class _Failing:
    def __init__(self, bot: Bot) -> None:
        self.bot, self.asked = bot, 0

    def __call__(self, question: str, history: Sequence[dict[str, str]]) -> Answer:
        self.asked += 1
        if "提前" in question:
            raise RuntimeError("坏了")
        return self.bot(question, history)


def test_an_error_is_a_result(bench: Workbench, exam: Exam) -> None:
    scores = run(exam, bench, damage=Damage("坏", around=lambda _, bot: _Failing(bot)), show=False)
    failed = [score for score in scores if score.outcome.error]
    assert len(scores) == len(exam.cases)
    assert [(score.case.id, score.reasons) for score in failed] == [("s-02", ("出错：RuntimeError: 坏了",))]
    numbers = summarise(scores, {}).families["answerable"]["dev"]["passed"]
    assert (numbers.n, numbers.mean) == (3, pytest.approx(2 / 3))


def test_a_stopped_run_goes_on_where_it_was(bench: Workbench, exam: Exam, tmp_path: Path) -> None:
    path, half = tmp_path / "results.jsonl", Exam(exam.cases[:7], exam.labels)
    first = run(half, bench, results=result_file(path, bench, resume=False), show=False)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"key": "half a li')
    counting = _Failing(lambda question, history: bench.assistant_over(bench.retriever).ask(question, history))
    counting_run = run(
        exam,
        bench,
        damage=Damage("数", around=lambda _, bot: counting),
        results=result_file(path, bench, resume=True),
        show=False,
    )
    assert counting.asked == len(exam.cases) - 7
    assert counting_run[:7] == first


def test_a_changed_question_is_asked_again(bench: Workbench, exam: Exam, tmp_path: Path) -> None:
    from dataclasses import replace

    path = tmp_path / "results.jsonl"
    run(Exam(exam.cases[:1], exam.labels), bench, results=result_file(path, bench, resume=False), show=False)
    assert result_file(path, bench, resume=True).get(exam.cases[0]) is not None
    assert result_file(path, bench, resume=True).get(replace(exam.cases[0], question="另一个问题")) is None


def test_a_span_of_any_size_is_labelled_by_the_quotes_it_holds() -> None:
    wanted = {"p": (Gold("d", "甲"),), "q": (Gold("d", "乙"),)}
    hits = [Hit("1", "x", "甲", 1), Hit("2", "d", "甲乙", 1), Hit("3", "d", "甲", 1)]
    assert label(hits, wanted) == ("~1", "p", "q", "~3")


def test_a_sample_leaves_no_family_out() -> None:
    cases = [*(case_of(f"a{i}") for i in range(10)), case_of("n", "noise"), case_of("u", "unanswerable", "refuse")]
    assert {case.family for case in sample(cases, 4)} == {"answerable", "noise", "unanswerable"}


def test_every_system_is_measured_on_the_cases_with_gold(bench: Workbench, exam: Exam) -> None:
    scores = run(exam, bench, show=False)
    systems = run_systems(exam, baselines(bench), {s.case.id: s.outcome.standalone for s in scores}, show=False)
    with_gold = {case.id for case in exam.cases if case.gold}
    assert len(systems) == 7 and all(values.keys() == with_gold for values in systems.values())
    assert all(0 <= value["ndcg@5"] <= 1 for values in systems.values() for value in values.values())
    # whole documents are far more to read than passages
    assert systems["LangChain 默认"]["s-02"]["chars@4"] > systems["只用 BM25"]["s-02"]["chars@4"]


@pytest.fixture(scope="module")
def report_of(bench: Workbench, exam: Exam) -> Any:
    scores = run(exam, bench, show=False)
    systems = run_systems(exam, [from_retriever(OURS, bench.retriever), *baselines(bench)[4:6]], {}, show=False)
    broken = score_of("<script>", False, harms=("承诺：保证恢复",))
    rgb = run_rgb(exam, bench, each=4, show=False)
    return summarise([*scores, broken], {"索引": "v1"}, systems, rgb)


def test_the_report_opens_with_what_ran_and_ends_with_every_failure(report_of: Any) -> None:
    text = render(report_of)
    assert text.startswith("索引 v1")
    places = [text.index(words) for words in ("开发部分", "测试部分", "与其他做法比较", "RGB", "没有通过的 1 道", "<script>")]
    assert places == sorted(places)
    assert to_dict(report_of, None)["cases"][0]["passed"] is True


def test_the_page_is_one_file_and_quotes_everything_it_shows(report_of: Any) -> None:
    page = render_page(report_of, None)
    assert "<script>" not in page and "&lt;b&gt;答&lt;/b&gt;" in page
    assert "http" not in page and page.count("<svg") >= 4
    assert "拒答曲线" in page and "门槛" in page


def test_the_other_plots_are_drawn() -> None:
    assert "p95 9.0" in latency_bars({"retrieve": (3.0, 9.0)})
    assert "100,000" in scaling_plot([(1000, 1.0, 2.0), (100_000, 3.0, 9.0)])


def test_rgb_measures_what_it_says(bench: Workbench, exam: Exam) -> None:
    found = run_rgb(exam, bench, each=5, show=False)
    assert found["noise"]["相邻段落 0 个"].mean == 1.0
    assert found["rejection"].keys() == {"拒答", "拒答或说明不完全对应"}
    assert found["integration"].keys() == {"两问都答到", "至少答到一问"}
    assert found["counterfactual"]["没有采信，或先作了更正"].n > 0


def test_another_bots_export_is_judged_by_the_same_rules(bench: Workbench, exam: Exam) -> None:
    answer = bench.assistant_over(bench.retriever).ask("借呗额度怎么没有了").to_dict()
    lines = [
        {**answer, "id": "s-01"},
        {"id": "s-10", "status": "refused", "text": "我不知道。"},
        {"id": "s-02", "text": "可以。"},
    ]
    scores, left_out = score_export(exam, lines, bench)
    assert {score.case.id: score.passed for score in scores} == {"s-01": True, "s-10": True, "s-02": False}
    assert len(left_out) == len(exam.cases) - 3


def test_refusal_numbers_leave_out_what_they_do_not_concern() -> None:
    scores = [score_of("a", True), score_of("r", True, family="unanswerable", expect="refuse")]
    numbers = summarise(scores, {}).sets["dev"]
    assert numbers["refusal_precision"] == numbers["refusal_recall"] == estimate([1.0])
    assert numbers["false_refusals"].mean == 0.0 and "safety_recall" not in numbers


def test_two_phrasings_agree_when_they_rest_on_the_same_passage(bench: Workbench, exam: Exam, cases: tuple[Case, ...]) -> None:
    numbers = summarise(run(exam, bench, show=False), {}).sets["dev"]
    assert (numbers["paraphrase_consistency"].n, numbers["paraphrase_consistency"].mean) == (1, 1.0)
    assert numbers["noise_consistency"].mean == 1.0 and numbers["lookalike_both_right"].mean == 1.0
