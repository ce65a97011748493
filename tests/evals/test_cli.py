"""The commands as a person types them, over the small corpus with the model that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evals import cli
from evals.cases import CaseError
from evals.judge import GRADES, calibrate, grader_on, load_graded, open_grader, render
from tests.assistant.chat_server import serving_chat
from tests.evals.conftest import DATA

CASES = str(DATA / "cases")


@pytest.fixture(autouse=True)
def small_corpus(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("JIEBEI_CORPUS", str(DATA / "corpus"))
    # One index for all tests of this file: the folder is the same for every call of the session.
    monkeypatch.setenv("JIEBEI_INDEX_DIR", str(tmp_path_factory.getbasetemp() / "cli-index"))


def test_a_run_writes_its_report_and_its_baseline_and_the_gate_agrees(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = str(tmp_path / "gate.json")
    assert (
        cli.main(["--cases", CASES, "--baseline", baseline, "--update-baseline", "--no-compare", "--report", str(tmp_path / "r")])
        == 0
    )
    assert {path.name for path in (tmp_path / "r").iterdir()} == {"report.html", "report.json", "results.jsonl"}
    assert json.loads((tmp_path / "r" / "report.json").read_text("utf-8"))["ran"]["题数"] == 15
    assert "没有通过的" in capsys.readouterr().out
    assert cli.main(["--cases", CASES, "--baseline", baseline, "--gate"]) == 0
    assert "门槛：通过" in capsys.readouterr().out


def test_the_gate_exits_1_and_names_what_got_worse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = ["s-10", "s-11", "s-12", "gone"]
    value = {"taken": {}, "tolerance": {"cases": 0, "points": 0.0}, "harmful": [], "families": {"x": dict.fromkeys(ids, True)}}
    (tmp_path / "gate.json").write_text(json.dumps(value), "utf-8")
    assert cli.main(["--cases", CASES, "--baseline", str(tmp_path / "gate.json"), "--gate"]) == 1
    assert "gone" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gate", "--baseline", "nowhere.json", "--cases", CASES], "还没有基线"),
        (["--suite", "safety", "--cases", CASES], "没有符合条件"),
        (["--update-baseline", "--part", "dev"], "全部题目"),
        (["--cases", "nowhere"], "没有题目"),
        (["--answers", "nowhere.jsonl", "--cases", CASES], "读不了"),
        (["real", "nowhere.tsv"], "读不了"),
    ],
)
def test_what_cannot_be_run_is_one_sentence_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    assert words in capsys.readouterr().err


def test_outside_questions_are_asked_and_nothing_of_them_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "q.tsv").write_text("额度\t借呗额度怎么没有了\n天气\t明天下雨吗\n额度\t" + "长" * 3000 + "\n", "utf-8")
    assert cli.main(["real", str(tmp_path / "q.tsv"), "--markdown", str(tmp_path / "pairs.md")]) == 0
    out = capsys.readouterr().out
    assert "合计" in out and "33%" in out
    assert "借呗额度怎么没有了" in (tmp_path / "pairs.md").read_text("utf-8")
    (tmp_path / "q.tsv").write_text("只有一列\n", "utf-8")
    assert cli.main(["real", str(tmp_path / "q.tsv")]) == 2
    assert "第 1 行" in capsys.readouterr().err


def test_with_a_chat_model_both_modes_stand_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving_chat() as server:
        monkeypatch.setenv("JIEBEI_CHAT_MODEL", "m")
        monkeypatch.setenv("JIEBEI_CHAT_BASE_URL", server.url())
        monkeypatch.setenv("JIEBEI_CHAT_API_KEY", "k")
        baseline = str(tmp_path / "gate.json")
        arguments = ["--cases", CASES, "--baseline", baseline, "--suite", "answerable", "--report", str(tmp_path / "r")]
        assert cli.main(arguments) == 0
    rows = json.loads((tmp_path / "r" / "report.json").read_text("utf-8"))["modes"]
    assert {row["family"] for row in rows} == {"answerable"}
    assert all(row["calls"] >= 1 and row["composed"]["n"] == row["model"]["n"] for row in rows)
    out = capsys.readouterr().out
    assert "两种方式" in out
    assert "对话模型 m" in out
    assert "两种方式" in (tmp_path / "r" / "report.html").read_text("utf-8")


def test_bench_prints_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench"]) == 0
    out = capsys.readouterr().out
    assert all(words in out for words in ("计算查询向量", "检索全程", "回答全程", "p95"))


def test_the_scaling_curve_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--scale", "1500", "--report", str(tmp_path)]) == 0
    assert "1,500 段" in capsys.readouterr().out and "<svg" in (tmp_path / "scaling.html").read_text("utf-8")


def test_a_judge_is_calibrated_against_people(tmp_path: Path) -> None:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    rows = [{"id": str(i), "question": "问", "answer": "答", "grade": grade} for i, grade in enumerate(GRADES)]
    (tmp_path / "g.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    chat = FakeListChatModel(responses=["好。\n评分：2", "评分：1", "评分：1", "说不清"])
    found = calibrate("fake:x", grader_on(chat), load_graded(tmp_path))
    assert (found.n, found.agreement, found.ungraded) == (4, 0.5, 1)
    assert "κ" in render(found) and "人工 0 → 模型 1：1" in render(found)


def test_no_model_grades_itself(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="不能给自己评分"):
        open_grader("openai:some-model", "some-model")


def test_a_faulty_graded_answer_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text('{"id": "1", "question": "问", "answer": "答", "grade": "3"}', "utf-8")
    with pytest.raises(CaseError, match=r"g\.jsonl 第 1 行"):
        load_graded(tmp_path)
    with pytest.raises(CaseError, match="没有人工评过"):
        load_graded(tmp_path / "empty")
