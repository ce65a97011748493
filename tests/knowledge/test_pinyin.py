"""Pinyin as it is typed, and Latin text that is none."""

import pytest

from knowledge.chinese_text import normalise
from knowledge.pinyin import read_pinyin


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("jiebei edu meiyou le", "借呗额度没有了"),
        ("wodejiebeibeiguanle", "我的借呗被关了"),
        ("yuqi huanqing le hai neng jie ma", "逾期还清了还能借吗"),
        ("jiebei tie shibai", "借呗提额失败"),
    ],
)
def test_pinyin_is_read_as_the_words_people_mean_here(typed: str, read: str) -> None:
    assert read_pinyin(typed) == read
    assert normalise(typed.upper()) == read


@pytest.mark.parametrize("latin", ["app", "vip", "iphone wifi", "why is my limit zero", "open the app", "linux", "", "a a a a a"])
def test_other_latin_text_is_left_alone(latin: str) -> None:
    assert read_pinyin(latin) is None
    assert normalise(latin) == latin


def test_pinyin_among_characters_is_read_too() -> None:
    assert normalise("借呗huifu要几天") == "借呗恢复要几天"
    assert normalise("jiebei打不开app") == "借呗打不开app"
