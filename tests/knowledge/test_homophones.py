"""Characters typed for others of the same sound, and text that must stay as it is."""

import pytest

from knowledge.chinese_text import normalise
from knowledge.documents import load_corpus
from knowledge.homophones import fold, respell
from knowledge.settings import shipped


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("芝嘛分多少能开", "芝麻分多少能开"),
        ("借呗多酒恢复", "借呗多久恢复"),
        ("杰呗恢服不了", "借呗恢复不了"),
        ("先西后本是啥", "先息后本是啥"),
    ],
)
def test_a_slip_of_the_sound_is_put_right(typed: str, meant: str) -> None:
    assert normalise(typed) == meant
    assert normalise(typed, by_ear=False) != meant


@pytest.mark.parametrize(
    "text", ["微粒贷额度", "解除合同", "银行卡解绑", "会计事务所", "我的结果出来了", "今天天气很好", "京东白条"]
)
def test_words_of_the_language_stay(text: str) -> None:
    assert normalise(text) == text


def test_a_word_is_not_taken_apart() -> None:
    def anything(_: str) -> bool:
        return True

    assert respell("借呗多酒恢复", anything) == "借呗多酒恢复"


def test_the_corpus_itself_is_never_respelled() -> None:
    for document in load_corpus([shipped("corpus")]).documents:
        assert normalise(document.text) == normalise(document.text, by_ear=False), document.id


def test_sounds_that_many_people_do_not_tell_apart_are_one() -> None:
    assert (fold("zheng"), fold("xing"), fold("shang"), fold("nong")) == ("zen", "xin", "san", "nong")
