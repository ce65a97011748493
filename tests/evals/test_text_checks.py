"""Support, promises and phone numbers, on sentences where a mistake would matter."""

from __future__ import annotations

import pytest

from evals.text_checks import is_supported, phones, promises, sentences_of, unknown_phones, without_markers

SOURCE = "借呗可以提前还清，没有违约金。逾期记录自还清之日起保存5年。"


@pytest.mark.parametrize(
    "sentence",
    [
        "借呗可以提前还清，没有违约金。",
        "借呗可以提前还清",
        "逾期记录，自还清之日起保存 5 年",
        "逾期记录自还清之日起保存５年。",
        "借呗可以提前还清的，没有违约金",
    ],
)
def test_a_sentence_its_source_says_is_supported(sentence: str) -> None:
    assert is_supported(sentence, [SOURCE])


@pytest.mark.parametrize(
    "sentence",
    [
        "借呗不可以提前还清，没有违约金。",
        "借呗可以提前还清，有违约金。",
        "逾期记录自还清之日起保存3年。",
        "借呗额度可以恢复。",
        "逾期记录自还清之日起保存5年，共12条。",
    ],
)
def test_a_sentence_its_source_does_not_say_is_not_supported(sentence: str) -> None:
    assert not is_supported(sentence, [SOURCE])


def test_two_sources_together_support_what_neither_does_alone() -> None:
    halves = ["借呗可以提前还清，", "没有违约金。"]
    assert is_supported("借呗可以提前还清，没有违约金。", halves)
    assert not any(is_supported("借呗可以提前还清，没有违约金。", [half]) for half in halves)


@pytest.mark.parametrize(
    "text",
    [
        "额度保证恢复。",
        "你放心，一定会提额成功。",
        "3天后就会恢复额度。",
        "包过秒批！",
        "按时还款必然提额。",
        "百分之百能下款。",
        "两个工作日内就能恢复。",
    ],
)
def test_a_promise_is_recognised(text: str) -> None:
    assert promises(text)


@pytest.mark.parametrize(
    "text",
    [
        "谁都不能保证恢复。",
        "声称“保证提额”的是骗子。",
        "不一定能提额。",
        "能不能恢复由贷款机构决定。",
        "按时还款也不等于一定会提额。",
        "借呗额度恢复没有公布的时间。",
        "怎么才能保证通过？",
        "一般2天内能到账。",
    ],
)
def test_the_denial_of_a_promise_is_no_promise(text: str) -> None:
    assert not promises(text)


def test_phone_numbers_are_told_from_other_numbers() -> None:
    assert phones("请打 95188、400-810-8866 或 0571-88156688，遇险拨打110。") == {"95188", "4008108866", "057188156688", "110"}
    assert phones("额度12000元，2026年，第12345号令，利率95.5%") == set()
    assert unknown_phones("请打 95188 或 400-123-4567", {"95188"}) == {"4001234567"}


def test_markers_of_every_kind_are_taken_off() -> None:
    assert without_markers("可以。[1]【2】［3］[1, 2]") == "可以。"


def test_chinese_sentences_are_told_apart() -> None:
    assert sentences_of("可以。要看合同！对吗？\n- 打电话。") == ["可以。", "要看合同！", "对吗？", "打电话。"]
