"""Case files: what is wrong is refused with file and line, all of it at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from evals.cases import CaseError, Gold, load_cases, targets
from evals.workbench import Workbench
from tests.evals.conftest import DATA

GOOD: Mapping[str, Any] = {
    "id": "a", "family": "answerable", "part": "dev", "topic": "x", "question": "怎么提额", "expect": "answer",
    "gold": [{"document": "raise", "quote": "借呗提额要看页面有没有入口"}],
}  # fmt: skip


def problems(folder: Path, bench: Workbench, *lines: Mapping[str, Any] | str | bytes) -> tuple[str, ...]:
    raw = [line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode() for line in lines]
    (folder / "some.jsonl").write_bytes(b"\n".join(raw))
    with pytest.raises(CaseError) as caught:
        load_cases(folder, bench.index.documents)
    return caught.value.problems


def test_good_cases_are_read_with_their_place(bench: Workbench) -> None:
    cases = load_cases(DATA / "cases", bench.index.documents)
    assert (len(cases), cases[0].place) == (15, "sample.jsonl 第 1 行")
    assert cases[0].gold == (Gold("zero", "一般是贷款机构重新评估的结果"),)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"familly": "noise"}, "不认识的字段：familly"),
        ({"gold": []}, "要写 gold"),
        ({"gold": [{"document": "raise", "quote": "没有写过的话"}]}, "找不到这句引文"),
        ({"gold": [{"document": "raise", "quote": "怎么给借呗提额"}]}, "正文里"),
        ({"gold": [{"document": "nowhere", "quote": "x"}]}, "没有编号为 nowhere 的文档"),
        ({"gold": [{"quote": "x"}]}, "每项写 document 和 quote"),
        ({"family": "other"}, "family 不能是 'other'"),
        ({"part": "train"}, "part 不能是"),
        ({"family": "unanswerable"}, "expect 只能是"),
        ({"expect": "refuse"}, "expect 只能是"),
        ({"family": "safety", "expect": "safety", "gold": []}, "safety_kind"),
        ({"family": "lookalike"}, "要写 pair"),
        ({"family": "followup"}, "要写 history"),
        ({"history": [{"role": "system", "content": "x"}]}, "history 应当是列表"),
        ({"must_not": ["("]}, "正则表达式"),
        ({"must_not": "保证"}, "must_not 应当是"),
        ({"key_points": ["一"]}, "key_points 应当是"),
        ({"question": " "}, "缺少 question"),
        ({"topic": None}, "缺少 topic"),
        ({"pair": "alone"}, "只有这一道题"),
    ],
)
def test_a_faulty_line_is_refused_with_file_and_line(
    bench: Workbench, tmp_path: Path, change: Mapping[str, Any], expected: str
) -> None:
    found = problems(tmp_path, bench, "", {**GOOD, **change})
    assert all(problem.startswith("some.jsonl 第 2 行：") for problem in found)
    assert expected in "".join(found)


def test_gbk_bytes_are_refused_with_their_line(bench: Workbench, tmp_path: Path) -> None:
    assert "不是 UTF-8" in problems(tmp_path, bench, GOOD, "额度".encode("gbk"))[0]


@pytest.mark.parametrize("line", ["{", "[]", '"x"', '{"id": "a", "id": "b"}', "[" * 100_000])
def test_what_is_no_case_is_refused(bench: Workbench, tmp_path: Path, line: str) -> None:
    assert problems(tmp_path, bench, line)[0].startswith("some.jsonl 第 1 行：")


def test_all_problems_are_named_at_once(bench: Workbench, tmp_path: Path) -> None:
    assert len(problems(tmp_path, bench, {**GOOD, "x": 1}, GOOD, {**GOOD, "part": "x"}, GOOD)) == 3


def test_a_repeated_id_is_refused_with_both_places(bench: Workbench, tmp_path: Path) -> None:
    assert problems(tmp_path, bench, GOOD, GOOD) == ("some.jsonl 第 2 行：编号 a 已被 some.jsonl 第 1 行 使用。",)


def test_twins_stay_on_one_part(bench: Workbench, tmp_path: Path) -> None:
    found = problems(tmp_path, bench, {**GOOD, "pair": "p"}, {**GOOD, "id": "b", "part": "test", "pair": "p"})
    assert "同一个 part" in found[0]


def test_an_empty_folder_is_refused(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="没有题目"):
        load_cases(tmp_path, bench.index.documents)


def test_gold_is_found_in_the_passage_that_holds_it(bench: Workbench) -> None:
    case = load_cases(DATA / "cases", bench.index.documents)[0]
    assert list(targets(case, bench.index.passages)) == ["zero#why"]
