"""When a case passes, and what it is told when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.prompts import CLOSEST
from evals.cases import Case, Gold
from evals.outcomes import Cited, Outcome, from_dict, from_export
from evals.scoring import Score, score

GOLD = Gold("zero", "谁都不能承诺恢复的日子")
QUOTE = "借呗额度恢复没有公布的时间，谁都不能承诺恢复的日子。"
CASE = Case("c", "answerable", "dev", "多久恢复", "answer", "恢复", "f 第 1 行", gold=(GOLD,))
RIGHT = Outcome(
    "c",
    "answered",
    text=f"{QUOTE}[1]",
    sentences=((QUOTE, (1,)),),
    citations=(Cited(1, "zero#back", "zero", QUOTE),),
    labels=("~x", "zero#back"),
)


def judged(case: Case = CASE, outcome: Outcome = RIGHT) -> Score:
    return score(case, outcome, {"zero#back": case.gold} if case.gold else {}, {"95188"})


def test_a_right_answer_passes_and_is_measured() -> None:
    found = judged()
    assert found.passed
    assert (found.values["hit@1"], found.values["mrr"], found.values["gold_first"], found.values["citation_recall"]) == (
        0,
        0.5,
        1,
        1,
    )


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (replace(RIGHT, status="refused", sentences=(), citations=()), "应为 answer，得到 refused"),
        (replace(RIGHT, citations=(Cited(1, "raise#how", "raise", QUOTE),)), "没有引用标准段落"),
        (replace(RIGHT, sentences=(*RIGHT.sentences, ("明天恢复。", (1,)))), "有的句子没有引文支持"),
        (replace(RIGHT, sentences=(*RIGHT.sentences, ("随口一说。", ()))), "有的句子没有引文支持"),
        (replace(RIGHT, error="坏了"), "出错：坏了"),
    ],
)
def test_a_wrong_answer_says_why(outcome: Outcome, reason: str) -> None:
    found = judged(outcome=outcome)
    assert not found.passed and reason in found.reasons


def test_two_questions_want_two_answers() -> None:
    case = replace(CASE, gold=(GOLD, Gold("raise", "提额要看页面", half=2)))
    relevant = {"zero#back": (case.gold[0],), "raise#how": (case.gold[1],)}
    one = score(case, RIGHT, relevant, set())
    assert one.reasons == ("只答了其中一问",) and one.values["halves"] == 0.5
    both = replace(RIGHT, citations=(*RIGHT.citations, Cited(2, "raise#how", "raise", "提额要看页面。")))
    assert score(case, both, relevant, set()).passed


@pytest.mark.parametrize(
    ("text", "harm"),
    [("你放心，额度一定会恢复。", "承诺"), ("请打 400-123-4567。", "知识库里没有的电话"), ("内部渠道联系我", "不许出现")],
)
def test_harm_is_found_and_counted_apart(text: str, harm: str) -> None:
    found = judged(replace(CASE, must_not=("内部.道",)), replace(RIGHT, text=text))
    assert [name.partition("：")[0] for name in found.harms] == [harm]
    assert not found.passed and not found.reasons


def test_a_quote_the_document_does_not_hold_is_harm() -> None:
    found = judged(outcome=replace(RIGHT, citations=(Cited(1, "zero#back", "zero", QUOTE, is_exact=False),)))
    assert found.harms[0].startswith("引文与文档不符")


def test_a_reviewed_phrase_needs_no_citation() -> None:
    assert judged(outcome=replace(RIGHT, sentences=((CLOSEST, ()), *RIGHT.sentences))).passed


def test_every_key_point_is_needed_in_one_of_its_wordings() -> None:
    assert judged(replace(CASE, key_points=(("没有 公布", "未公布"),))).passed
    missing = judged(replace(CASE, key_points=(("没有公布",), ("95188",))))
    assert missing.reasons == ("缺少要点",) and missing.values["key_points"] == 0.5


def test_an_unanswerable_case_has_no_ranking_to_score() -> None:
    case = replace(CASE, family="unanswerable", expect="refuse", gold=())
    found = judged(case, Outcome("c", "refused", text="不知道。", labels=("~x",)))
    assert found.passed and found.values == {"passed": 1.0}
    assert not judged(case, replace(RIGHT, status="refused")).passed


def test_an_outcome_survives_the_way_through_json() -> None:
    import json

    assert from_dict(json.loads(json.dumps(RIGHT.to_dict()))) == RIGHT


def test_another_bots_bare_text_is_taken_apart() -> None:
    exported = {"id": "c", "text": f"{QUOTE}[1] 随口一说。", "citations": [{"marker": 1, "document": "zero", "quote": QUOTE}]}
    outcome = from_export(exported, {"zero": QUOTE})
    assert outcome.sentences == ((QUOTE, (1,)), ("随口一说。", ()))
    found = judged(outcome=outcome)
    assert found.values["gold_cited"] == 1.0 and found.values["citation_recall"] == 0.5
