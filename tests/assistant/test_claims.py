"""True sentences of the shipped corpus pass; the same with one thing changed do not."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from assistant.claims import Ground, carried_by
from assistant.evidence import lines
from knowledge.chunking import cut
from knowledge.documents import load_corpus
from knowledge.passages import Passage
from knowledge.settings import ChunkingSettings, shipped

_SEED = 7
_MUTANTS = 300
Change = Callable[[str, random.Random], str | None]


@cache
def said() -> tuple[tuple[Passage, str], ...]:
    """Every sentence of the corpus with its passage, in an order that chance fixed."""
    documents = load_corpus([shipped("corpus")]).documents
    passages = [passage for document in documents for passage in cut(document, ChunkingSettings())]
    found = [
        (passage, line.text)
        for passage in passages
        if passage.source_type != "user_article"
        for line in lines(passage)
        if not line.is_step and line.text.endswith("。")
    ]
    random.Random(_SEED).shuffle(found)
    return tuple(found)


def holds(sentence: str, *passages: Passage) -> bool:
    return next(Ground(passages).faults(sentence), None) is None


def _other_digits(match: re.Match[str], chance: random.Random) -> str:
    place = chance.choice([at for at, c in enumerate(match[0]) if c.isdigit()])
    digit = chance.choice([d for d in "123456789" if d != match[0][place]])
    return match[0][:place] + digit + match[0][place + 1 :]


def _replace_one(pattern: str, other: Callable[[re.Match[str], random.Random], str]) -> Change:
    def change(text: str, chance: random.Random) -> str | None:
        matches = list(re.finditer(pattern, text))
        if not matches:
            return None
        match = chance.choice(matches)
        return text[: match.start()] + other(match, chance) + text[match.end() :]

    return change


def _swap(pairs: dict[str, str]) -> Change:
    both = pairs | {other: one for one, other in pairs.items()}
    return _replace_one("|".join(sorted(both, key=len, reverse=True)), lambda match, _: both[match[0]])


_LAWS = ["消费者权益保护法", "民法典", "反洗钱法", "个人信息保护法", "商业银行法", "征信业管理条例", "网络安全法"]


def _other_law(match: re.Match[str], chance: random.Random) -> str:
    return "《" + chance.choice([law for law in _LAWS if law not in match[0] and match[0].strip("《》") not in law]) + "》"


def _spelled(match: re.Match[str], chance: random.Random) -> str:
    return chance.choice([c for c in "二三四五六七八九" if {c, match[0]} != {"二", "两"} and c != match[0]])


EXACT: dict[str, Change] = {
    "number": _replace_one(r"(?<![\d年月第-])\d+(?:\.\d+)?(?=[万亿元天个次笔期倍岁小分])", _other_digits),
    "spelled": _replace_one(r"(?<=[\u4e00-\u9fff，])[二两三四五六七八九](?=[个种天次年家项类])", _spelled),
    "date": _replace_one(r"\d{4}年(?:\d+月)?(?:\d+日)?", _other_digits),
    "rate": _replace_one(r"\d+(?:\.\d+)?%", _other_digits),
    "phone": _replace_one(r"95\d{3}|12\d{3}|96110|400-?\d{3}-?\d{4}|(?<!\d)110(?!\d)", _other_digits),
    "new phone": lambda text, chance: f"{text[:-1]}，可拨打{chance.choice(['400-888-1234', '13800138000', '95555'])}。",
    "new url": lambda text, chance: (
        f"{text[:-1]}，详见{chance.choice(['https://evil.example/a', 'www.jiebei-vip.cn', 'tielu.top/x'])}。"
    ),
    "law": _replace_one(r"《[^》]*(?:法|法典|条例)》", _other_law),
    "article": _replace_one(r"(?<=第)\d+(?=条)", _other_digits),
}
NEGATIONS: dict[str, Change] = {
    "lost": _replace_one(r"不(?=[会能是可等要得一影])|没有?|未(?=[必公能])|无(?=法)", lambda *_: ""),
    "added": _replace_one(r"(?<![不没])(?:可以|能(?=[^力够])|会(?=[^员计议])|需要|影响|等于)", lambda match, _: "不" + match[0]),
}
ENTITIES: dict[str, Change] = {
    "product": _swap({"借呗": "花呗"}),
    "direction": _swap({"提额": "降额", "提高": "降低", "调高": "调低", "增加": "减少", "上调": "下调", "变高": "变低"}),
    "matter": _swap({"开通": "关闭", "冻结": "解冻", "自动": "手动", "借款": "还款", "本金": "利息", "提前": "延后"}),
    "who": _swap({"支付宝": "微信", "贷款机构": "支付宝", "身份证": "银行卡", "本人": "他人"}),
}
_IN_WORDS = {"16": "十六", "17": "十七", "24": "二十四", "25": "二十五"}
# Ways of saying the same that take nothing away and add nothing.
REWORDED: dict[str, Change] = {
    "full width": _replace_one(r"\d+", lambda match, _: "".join(chr(ord(c) + 0xFEE0) for c in match[0])),
    "ten thousands": _replace_one(r"\d+万", lambda match, _: f"{match[0][:-1]}0000"),
    "article in words": _replace_one(r"(?<=第)(?:16|17|24|25)(?=条)", lambda match, _: _IN_WORDS[match[0]]),
    "said first": lambda text, _: f"简单说，{text}",
    "without its beginning": lambda text, _: text.split("，", 1)[1] if text.count("，") > 1 else None,
    "without its end": lambda text, _: text.rsplit("，", 1)[0] + "。" if text.count("，") > 1 else None,
    "in one breath": lambda text, _: text.replace("，", "", 1) if "，" in text else None,
    "synonym": _swap({"因为": "由于", "所以": "因此", "但是": "不过", "一般": "通常", "可以": "能够", "查看": "看看"}),
}


def mutants(change: Change, wanted: int, *, is_new: bool = True) -> Iterator[tuple[Passage, str, str]]:
    chance = random.Random(_SEED)
    for passage, text in said():
        changed = change(text, chance)
        # 3 → 5 is no mutation where the passage says 5 as well.
        if changed is None or changed == text or (is_new and changed.rstrip("。") in passage.text):
            continue
        yield passage, text, changed
        wanted -= 1
        if wanted == 0:
            return


def blocked(change: Change, wanted: int) -> tuple[int, list[str]]:
    tried = list(mutants(change, wanted))
    passed = [f"{text} → {changed}" for passage, text, changed in tried if holds(changed, passage)]
    return len(tried), passed


@pytest.mark.parametrize("name", EXACT)
def test_a_changed_figure_or_name_never_passes(name: str) -> None:
    tried, passed = blocked(EXACT[name], 25)
    assert tried >= 8
    assert passed == []


@pytest.mark.parametrize(("family", "at_most"), [(NEGATIONS, 0.1), (ENTITIES, 0.1)])
def test_a_turned_statement_hardly_ever_passes(family: dict[str, Change], at_most: float) -> None:
    results = [blocked(change, 35) for change in family.values()]
    passed = [text for _, texts in results for text in texts]
    tried = sum(count for count, _ in results)
    assert tried >= 60
    assert len(passed) <= at_most * tried, "\n".join(passed)


def test_there_are_three_hundred_mutants() -> None:
    families = [*EXACT.values(), *NEGATIONS.values(), *ENTITIES.values()]
    assert sum(len(list(mutants(change, 35))) for change in families) >= _MUTANTS


def test_what_the_corpus_says_passes() -> None:
    sample = said()[:400]
    stopped = [text for passage, text in sample if not holds(text, passage)]
    assert len(stopped) <= 0.03 * len(sample), "\n".join(stopped)


def test_the_same_in_other_words_mostly_passes() -> None:
    tried = [(passage, changed) for change in REWORDED.values() for passage, _, changed in mutants(change, 20, is_new=False)]
    stopped = [text for passage, text in tried if not holds(text, passage)]
    assert len(stopped) <= 0.1 * len(tried), "\n".join(stopped)


def test_a_neighbour_carries_no_sentence() -> None:
    """A sentence that cites the wrong passage of the same document."""
    chance, sample = random.Random(_SEED), said()
    by_document: dict[str, list[Passage]] = {}
    for passage, _ in sample:
        by_document.setdefault(passage.document_id, []).append(passage)
    tried = []
    for passage, text in sample[:150]:
        others = [other for other in by_document[passage.document_id] if other.id != passage.id and text not in other.text]
        if others:
            tried.append((chance.choice(others), text))
    passed = [text for passage, text in tried if holds(text, passage)]
    assert len(passed) <= 0.05 * len(tried), "\n".join(passed)


def passage_of(text: str, heading: str = "借呗额度") -> Passage:
    return Passage(
        id="p", document_id="d", document_path="d.md", title="t", headings=(heading,), text=text, start=0, end=len(text),
        source_type="guidance", publisher="p", date=None, source=None, url=None, caution=None, review_by=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("借呗额度最高50000元。", "借呗额度最高五万元。"),
        ("借呗额度最高5万元。", "借呗额度最高可达５００００元。"),
        ("年化利率不超过百分之二十四。", "年化利率不超过24%。"),
        ("2018年1月9日，蚂蚁金服公开回应。", "蚂蚁金服在2018年1月公开回应。"),
        ("《征信业管理条例》第十六条规定，不良信息保存5年。", "按《征信业管理条例》第16条规定，不良信息保存五年。"),
        ("可以拨打95188咨询。", "可以拨打 95188 咨询。"),
    ],
)
def test_another_form_of_a_figure_is_the_same_figure(source: str, sentence: str) -> None:
    assert list(Ground([passage_of(source)]).faults(sentence)) == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("借呗额度最高5万元。", "借呗额度最高五十万元。"),
        ("借呗额度最高5万元。", "借呗额度最高五千元。"),
        ("年化利率不超过24%，日利率万分之五。", "年化利率不超过万分之五，日利率24%以内都行。"),
        ("有人声称交钱就能提额，这是骗局。", "交钱就能提额。"),
        ("结清逾期后，额度可能会恢复。", "结清逾期后，额度会恢复。"),
        ("结清逾期后，额度可能会恢复。", "结清逾期后，额度一定会恢复，不用担心。"),
        ("按时还款有助于额度恢复。", "按时还款，三天内额度恢复。"),
        ("按时还款有助于额度恢复。", "按时还款有助于额度恢复，加微信abc123办理。"),
        ("按《民法典》第677条，可以提前还款。", "按消费者权益保护法第677条，可以提前还款。"),
        ("可以提前还款。", "可以<b>提前还款</b>。"),
        ("可以提前还款。", "![可以提前还款](http://evil.example)。"),
    ],
)
def test_what_the_source_does_not_say_is_stopped(source: str, sentence: str) -> None:
    assert list(Ground([passage_of(source)]).faults(sentence))


def test_a_sentence_is_quoted_with_the_lines_it_rests_on() -> None:
    source = passage_of("降额是重新评估的结果。评估不公开周期。可以查看征信报告。")
    carried = carried_by("降额是重新评估的结果，评估周期不公开。", lines(source))
    assert [line.text for line in carried] == ["降额是重新评估的结果。", "评估不公开周期。"]
