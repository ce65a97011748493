"""Answer → HTML: the exact quote is marked, metadata stays hidden, and text stays text."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant import page
from assistant.answer import Answer, HandOff, Sentence
from tests.assistant.fake_bot import DOCUMENT_TEXT, HOSTILE, QUOTE, FakeBot, answer, citation, document, refusal, warning

OUR_TAGS = {
    "section", "div", "p", "h2", "h3", "h4", "span", "button", "ul", "ol", "li", "nav", "article", "dl", "dt", "dd", "mark", "a",
}  # fmt: skip


class Reader(HTMLParser):
    """Every tag with its attributes, and the text of the marks."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.marked: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if "mark" in self._open:
            self.marked.append(data)


def words(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html))


def turn(shown: Answer) -> str:
    return page.turn(1, shown.question, shown, FakeBot().document)


def whole_turn(**changes: object) -> str:
    return turn(answer(**changes))


def test_the_exact_quote_is_marked_and_nothing_else() -> None:
    start = DOCUMENT_TEXT.index(QUOTE)
    marked = Reader(page.excerpt(DOCUMENT_TEXT, start, start + len(QUOTE))).marked
    assert marked == ["额度突然没有，一般是重新评估后暂停了授信。", "打开页面，记下提示语。"]


def test_metadata_is_never_shown() -> None:
    start = DOCUMENT_TEXT.index(QUOTE)
    shown = words(page.excerpt(DOCUMENT_TEXT, start, start + len(QUOTE)))
    assert "额度为什么没有了？" in shown
    assert "另一段文字" in shown
    for hidden in ("秘密标题", "不该看见", "<!--", "-->", "---", "……"):
        assert hidden not in shown


def test_a_long_document_is_cut_at_both_ends() -> None:
    text = "前面。\n" * 2000 + "就是这句。\n" + "后面。\n" * 2000
    start = text.index("就是这句。")
    html = page.excerpt(text, start, start + 5)
    assert html.count("……") == 2
    assert len(html) < 10_000
    assert Reader(html).marked == ["就是这句。"]


@given(before=st.text(max_size=60), quote=st.text(min_size=1, max_size=40), after=st.text(max_size=60))
def test_marks_hold_the_quote_whatever_surrounds_it(before: str, quote: str, after: str) -> None:
    reader = Reader(page.excerpt(before + quote + after, len(before), len(before) + len(quote)))
    kept = "".join(re.findall(r"\w", "".join(reader.marked)))
    assert kept == "".join(re.findall(r"\w", quote.encode("utf-8", "replace").decode()))
    assert {tag for tag, _ in reader.tags} <= OUR_TAGS


def test_every_marker_opens_a_passage_that_is_there() -> None:
    tags = Reader(whole_turn()).tags
    opened = [attributes["data-passage"] for _, attributes in tags if "data-passage" in attributes]
    present = {attributes["id"] for tag, attributes in tags if tag == "article"}
    assert len(opened) == 5, "two sentences, one step, two sources"
    assert set(opened) == present == {"turn-1-source-1", "turn-1-source-2"}


def test_source_kind_publisher_date_and_caution_are_shown() -> None:
    shown = words(whole_turn())
    for expected in (
        "法律法规",
        "国务院",
        "2013-03-15",
        "《征信业管理条例》第16条",
        "网络文章",
        "日期不明",
        "注意：自称虚构，只供对照。",
    ):
        assert expected in shown
    assert "可以这样做" in shown
    assert "多久能恢复？" in shown


def test_every_kind_of_source_has_a_name() -> None:
    from assistant.prompts import SOURCE_TYPE_NAMES
    from knowledge.passages import SOURCE_TYPES

    assert tuple(page._ABOUT_SOURCES) == tuple(SOURCE_TYPE_NAMES) == SOURCE_TYPES


def test_hostile_text_stays_text() -> None:
    html = turn(answer(HOSTILE, follow_ups=(HOSTILE,), sentences=(Sentence(HOSTILE, (1, 2)),)))
    reader = Reader(html + page.notice(HOSTILE) + page.waiting(HOSTILE))
    assert {tag for tag, _ in reader.tags} <= OUR_TAGS
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on") or name == "style"]
    assert [attributes["href"] for tag, attributes in reader.tags if tag == "a"] == ["https://www.gov.cn/x"]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "http://", "http://[", "ftp://a/b", ""]
)
def test_only_http_addresses_become_links(url: str) -> None:
    html = turn(answer(citations=(citation(url=url),)))
    assert "href" not in html


def test_half_a_surrogate_pair_can_be_sent() -> None:
    (page.notice("\ud800") + turn(answer("\udfff"))).encode()


def test_a_missing_document_still_shows_the_quote() -> None:
    html = page.turn(1, "额度怎么没了", answer(), lambda _: None)
    assert f"<mark>{QUOTE}</mark>" in html


def test_refusals_safety_and_hand_off_have_their_words() -> None:
    refused = turn(refusal("天气"))
    assert "没有可靠依据" in refused
    assert 'data-ask="怎么提高借呗额度？"' in refused
    assert "出处" not in words(refused)
    assert turn(warning("骗")).count("这很像骗局，先别付钱。") == 1
    assert "部分回答" in whole_turn(status="partial")
    handed = whole_turn(hand_off=HandOff("complaint", "high", "human", "q", "q"))
    assert "人工" in words(handed)
    assert "选一种情况" in whole_turn(status="clarify")


def test_an_empty_page_offers_the_examples() -> None:
    from assistant.prompts import EXAMPLE_QUESTIONS

    html = page.conversation([])
    assert all(f'data-ask="{question}"' in html for question in EXAMPLE_QUESTIONS)
    assert "welcome" not in page.conversation([page.notice("x")])


def test_nothing_the_page_ships_names_another_host() -> None:
    shipped = page.head() + page.script() + page.header() + page.reader()
    addresses = set(re.findall(r"https?://[^\s\"'%)]+", shipped))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name of the SVG language, never fetched"
    assert document().text  # the fake documents are whole
