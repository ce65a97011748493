import json
from pathlib import Path

import pytest

import assistant.assembly
import assistant.cli as cli
from assistant import Assistant


@pytest.fixture(autouse=True)
def small_bot(bot: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant.assembly, "build_assistant", lambda *_: bot)


def test_ask_prints_the_answer_and_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["ask", "借呗额度为什么没有了"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("借呗额度没有了，一般是贷款机构重新评估的结果。[1]")
    assert "[1] 额度没了 › 借呗额度为什么没有了？（官方说明 · 官方回应 · 某机构 · 2018-01-09）" in out


def test_ask_json_keeps_the_contract(capsys: pytest.CaptureFixture[str], bot: Assistant) -> None:
    assert cli.main(["ask", "--json", "借呗额度为什么没有了"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) >= {
        "id", "question", "standalone_question", "status", "text", "sentences", "citations", "next_steps", "follow_ups",
        "refusal", "safety", "hand_off", "index_version", "mode", "timings_ms",
    }  # fmt: skip
    assert set(answer["citations"][0]) >= {
        "marker", "passage_id", "document", "title", "heading", "quote", "start", "end", "source_type", "publisher",
        "date", "url", "caution",
    }  # fmt: skip
    assert {"retrieve", "total"} <= set(answer["timings_ms"])


def test_a_batch_answers_in_order_and_names_bad_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = tmp_path / "batch.jsonl"
    lines = [
        '{"id": "a", "question": "怎么提额"}',
        "not json",
        '{"id": "c", "question": "  "}',
        '{"id": 4, "question": "逾期记录保存多久"}',
        "[1]",
    ]
    batch.write_text("\n".join(lines), encoding="utf-8")
    assert cli.main(["ask", "--batch", str(batch)]) == 2
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [answer.get("id") for answer in answers] == ["a", None, "c", 4, None]
    assert [answer.get("status") for answer in answers] == ["answered", None, None, "answered", None]
    assert "第 2 行" in answers[1]["error"]
    assert "5 行里有 3 行" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask", "   "], "请写下你想问的问题"),
        (["ask"], "请写下你想问的问题"),
        (["ask", "额" * 3000], "超过上限 2000 字"),
        (["ask", "--batch", "/nowhere.jsonl"], "读不了"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_an_unknown_setting_is_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JIEBEI_MODLE", "x")
    assert cli.main(["ask", "怎么提额"]) == 2
    assert "modle" in capsys.readouterr().err
