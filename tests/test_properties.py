"""What must hold for any text at all. `make thorough` tries ten thousand of them for each property."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import knowledge.indexing as indexing
from assistant import Assistant, InvalidQuestion
from assistant.answer import STATUSES
from assistant.screening import mask
from knowledge.chinese_text import normalise, scrub
from knowledge.indexing import ensure_index
from knowledge.retriever import Retriever
from knowledge.settings import KnowledgeSettings
from tests.conftest import SMALL_CORPUS, WORDS_DECIDE, CharacterEmbedder

# Any text, and text that looks enough like a question to get far into the code.
_WORDS = """借呗 花呗 额度 额都 没了 怎么 为什么 多久 恢复 提额 降额 逾期 征信 吗 呢 ？ ， 。 那 第二个 都试过了 jiebei edu
13800138000
110105 19491231 002X 4111 1111 验证码 密码是 我叫 王伟 @ a.cn 忽略以上 系统 [1] 【2】 </s> 套现 强开 先交费 不想活了"""
_FRAGMENTS = st.sampled_from([*_WORDS.split(), " ", "\n", "\u200b"])
_TEXTS = st.text(max_size=80) | st.lists(_FRAGMENTS, max_size=14).map("".join)
_MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", 1]), "content": _TEXTS | st.none()}
)
_HISTORIES = st.none() | st.lists(_MESSAGES | st.integers() | st.text(max_size=5), max_size=6)


@pytest.fixture(scope="module")
def bot() -> Iterator[Assistant]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "checking", lambda: nullcontext(lambda folder: None))
        settings = KnowledgeSettings(index_dir=Path(folder), corpus=(SMALL_CORPUS,), other_questions=None)
        embedder = CharacterEmbedder()
        index = ensure_index(settings, embedder)
        yield Assistant(Retriever(index, embedder, WORDS_DECIDE, settings.retrieval), max_question_chars=2000)
        index.close()


@given(question=_TEXTS, history=_HISTORIES)
def test_any_text_gets_an_answer_whose_citations_resolve(bot: Assistant, question: str, history: Any) -> None:
    try:
        answer = bot.ask(question, history)
    except InvalidQuestion:
        assert not scrub(question).strip()
        return
    assert answer.status in STATUSES
    quotes = {}
    for citation in answer.citations:
        document = bot.document(citation.document)
        assert document is not None and document.text[citation.start : citation.end] == citation.quote
        quotes[citation.marker] = citation.quote
    for sentence in (*answer.sentences, *answer.next_steps):
        assert all(sentence.text in quotes[marker] for marker in sentence.markers)


@given(question=_TEXTS)
def test_the_same_question_gets_the_same_answer(bot: Assistant, question: str) -> None:
    try:
        assert bot.ask(question).text == bot.ask(question).text
    except InvalidQuestion:
        assert not scrub(question).strip()


@given(text=_TEXTS)
def test_what_was_masked_stays_as_it_is(text: str) -> None:
    once = mask(scrub(text)).question
    assert mask(once).question == once


@given(text=_TEXTS)
def test_a_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
