from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.chinese_text import iter_sentences, normalise, scrub, segment


@pytest.mark.parametrize(
    "typed",
    [
        "借唄額度沒有了",
        "解呗额度没有了",
        "ＪＩＥＢＥＩ额度没有了",
        "借\u200b呗额度没有了",
        "蚂蚁借呗额都没有了",
        "jie bei额度没有了",
    ],
)
def test_what_people_type_reads_like_what_they_mean(typed: str) -> None:
    assert normalise(typed) == "借呗额度没有了"


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(st.text())
def test_scrubbed_text_can_always_be_written(text: str) -> None:
    assert scrub(scrub(text)) == scrub(text)
    scrub(text).encode("utf-8")


def test_a_domain_word_is_never_cut() -> None:
    assert {"降额", "借呗"} <= set(segment(normalise("借呗降额了")))
    assert {"提额"} <= set(segment(normalise("怎么提额")))


def test_sentences_keep_closing_quotes_and_lose_list_marks() -> None:
    text = "他说“好。”然后走了！\n\n- 打开页面。\n2. 查一查"
    assert [text[start:end] for start, end in iter_sentences(text)] == ["他说“好。”", "然后走了！", "打开页面。", "查一查"]


def test_a_number_with_a_point_is_no_list_mark() -> None:
    text = "15.4%是过去的数字。"
    assert [text[start:end] for start, end in iter_sentences(text)] == [text]


@given(st.text(alphabet="借呗。！？\n- 1.a”", max_size=60))
def test_sentences_are_in_order_and_lose_no_word(text: str) -> None:
    spans = list(iter_sentences(text))
    assert all(start < end for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert sum(text[start:end].count("借") for start, end in spans) == text.count("借")
