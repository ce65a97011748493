"""Whether the cited passages say what a sentence says: checks in code, none of them left to a prompt.

A sentence that repeats whole clauses of a passage passes. Any other must bring nothing along: each
figure and name stands in a like clause of the passages, with the same negation, direction, certainty
and product, and most of its character pairs are theirs.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.evidence import Line
from assistant.grounding import is_promise
from knowledge.checking.figures import Figure, figures
from knowledge.chinese_text import iter_sentences, scrub
from knowledge.numerals import is_rough, value_of
from knowledge.passages import Passage
from knowledge.signals import read

Fault = Literal["promise", "markup", "figure", "name", "negation", "opposite", "product", "certainty", "support"]
_UNSUPPORTED: Fault = "support"

# Calibrated in tests/assistant/test_claims.py: true sentences reworded stay above, neighbours stay below.
_SENTENCE_SUPPORT = 0.5
_CLAUSE_SUPPORT = 0.3
# A further line is quoted where it carries this share of the sentence.
_ADDS = 0.15
# A clause this short (因此, 一般来说) has no likeness worth the name.
_SHORT = 4
# Windows this near to the best one may be what was meant as well.
_AS_LIKE = 0.93

_MARKUP = re.compile(r"[<>`{}|\\*#]|!\[|\]\(|\[|\]")
_CLAUSE = re.compile(r"(?:[^，。；：！？,;:!?\n]|(?<=\d)[,:](?=\d))+")
_LATIN = re.compile(r"[A-Za-z][\w.:/@%&?=+~-]*|[\w.+-]*@[\w.-]+", re.ASCII)
_PLAIN_LATIN = frozenset({"app"})
_LAW_AT_ARTICLE = re.compile(r"([\u4e00-\u9fff]{1,5}(?:法典|条例|办法|规定|法))(?:》)?第\d")
_LEADING_LAW = re.compile(r"^.*?(?:根据|依据|依照|按照|按|据|和|及|与|的)")

_NEGATION = re.compile(
    r"不(?![但仅论管]|过(?!期|去))|没有?|[无未勿]|非(?!常)|别(?![人的处])|否(?!则)|禁止|拒绝|停止|免(?=于|除|费|收)"
)
_HEDGE = re.compile(r"可能|一般|通常|多半|往往|大多|或许|也许|不一定|未必|有时|多数|大概|主要|之一|公开")
# What others claim must not turn into what is so.
_REPORTED = re.compile(r"声称|自称|号称|宣称|谎称|冒充|据说|网传|有人说|说法|文章|谣言|骗|假")
_MOSTLY = re.compile(r"一般|通常|多半|往往|大多")
_CERTAIN = re.compile(
    r"一定|必定|必然|肯定|绝对|保证|确保|承诺|百分之百|100%|百分百|永远|永久|立即|立刻|马上|很快|全部|所有|任何|必须|只能|只要|从不|总是"
    r"|包过|包下款|秒批|秒过|放心|没问题|无条件|唯一|都会|就能|就会|就可以|即可"
)
# One of each group excludes the others of it.
_OPPOSITES = tuple(
    tuple(re.compile(term) for term in group.split())
    for group in (
        "提额|提高|升额|调高|变高|上调|增加|上升|提升|涨 降额|降低|调低|变低|下调|减少|下降|降(?!低|额) 不变",
        "借呗 花呗 网商贷 备用金 信用购 信用贷",
        "开通|开启 关闭|注销|关掉 停用|暂停",
        "冻结(?!.{0,4}解除) 解冻|解除",
        "恢复 取消|收回",
        "自动 手动|主动|自己",
        "最高|上限|最多|至多 最低|下限|最少|至少",
        "以上|超过|高于 以下|低于|不足",
        "以内|之内 以外|之外",
        "之前|以前 之后|以后",
        "提前 推迟|延后|延期 按时|按期 逾期",
        "借款|借钱 还款|还钱",
        "本金 利息|罚息 费用",
        "收费 免费",
        "总额度 可借|可用额度 临时额度 固定额度",
        "支付宝 微信 抖音 美团 京东 拼多多 贷款机构|放款机构 蚂蚁集团|蚂蚁金服 中介",
        "人民银行|央行 金融监管总局|监管总局|银保监 公安 法院 消费者协会|消协 市场监管",
        "身份证 银行卡 手机号 验证码 密码",
        "本人 他人|别人|家人",
        "征信报告|信用报告 芝麻 账单",
        "有效 无效",
        "合法 违法|非法",
        "相同|一样|同一 不同|不一样",
    )
)
_COUNTED = re.compile(r"([一二三四五六七八九十两]+)(?=[个种类项家次条笔份步点])")

_NUMERAL_FORMS = str.maketrans("壹贰貳叁參肆伍陆陸柒捌玖拾佰仟萬億", "一二二三三四五六六七八九十百千万亿")
_NUMERAL = re.compile(r"[〇零一二三四五六七八九十百千万亿两]+")
_TEN_THOUSANDS = re.compile(r"(?<![\d.,])(\d+)([万亿])")
_SCALES = {"万": 10_000, "亿": 100_000_000}


@dataclass(frozen=True, slots=True)
class _Span:
    """One or two neighbouring clauses of a passage, and the sentence they stand in."""

    text: str
    sentence: str
    is_single: bool
    pairs: frozenset[str]


class Ground:
    """The cited passages, read once for all sentences that cite them."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        texts = [_readable(passage.text) for passage in passages]
        self._sentences = [text[start:end] for text in texts for start, end in iter_sentences(text)]
        self._clauses = "".join(f"。{'，'.join(_clauses(sentence))}，" for sentence in self._sentences)
        self._spans = [span for sentence in self._sentences for span in _spans(sentence)]
        self._text = "\n".join(texts)
        self._about = read("\n".join(passage.heading for passage in passages)).products or frozenset({"借呗"})
        self._pairs = _pairs("\n".join([self._text, *(_readable(passage.heading) for passage in passages)]))
        self._figures = {_key(figure) for text in texts for figure in figures(text)}
        self._latin = {word.casefold().rstrip(".") for word in _LATIN.findall(self._text)} | _PLAIN_LATIN

    def faults(self, sentence: str) -> Iterator[Fault]:
        """What the passages do not vouch for; empty for a sentence that may be shown."""
        if _MARKUP.search(sentence):
            yield "markup"
        if is_promise(sentence):
            yield "promise"
        text = _readable(sentence)
        clauses = _clauses(text)
        if not clauses or f"。{'，'.join(clauses)}，" in self._clauses:
            return
        yield from self._unknown_figures(text, clauses)
        yield from self._unknown_names(text)
        if self.support(sentence) < _SENTENCE_SUPPORT:
            yield "support"
        for clause in clauses:
            yield from self._disagreements(clause, text)

    def support(self, sentence: str) -> float:
        """Share of the sentence's character pairs that are the passages'."""
        return _held(_pairs(_readable(sentence)), self._pairs)

    def _unknown_figures(self, text: str, clauses: Sequence[str]) -> Iterator[Fault]:
        if any(not _vouched(_key(figure), self._figures) for figure in figures(text)):
            yield "figure"
        for clause in clauses:
            pairs = _pairs(re.sub(r"\d+", "", clause))
            for figure in figures(clause):
                # The figure must belong to what is said here, not to something else in the passage.
                like = [
                    other
                    for other in self._sentences
                    if not pairs or _held(pairs, _pairs(re.sub(r"\d+", "", other))) >= _CLAUSE_SUPPORT
                ]
                if not any(_vouched(_key(figure, loose=True), {_key(f, loose=True) for f in figures(other)}) for other in like):
                    yield "figure"

    def _unknown_names(self, text: str) -> Iterator[Fault]:
        words = {word.casefold().rstrip(".") for word in _LATIN.findall(text)}
        laws = {_LEADING_LAW.sub("", law) for law in _LAW_AT_ARTICLE.findall(text)}
        if not words <= self._latin or any(law not in self._text for law in laws):
            yield "name"

    def _disagreements(self, clause: str, sentence: str) -> Iterator[Fault]:
        pairs = _pairs(clause)
        if len(pairs) < _SHORT:
            yield from self._turned(clause)
            return
        if _held(pairs, self._pairs) < _CLAUSE_SUPPORT:
            yield "support"
        found = [list(_against(clause, sentence, span, self._about)) for span in self._nearest(pairs)]
        yield from min(found, key=len, default=[_UNSUPPORTED])

    def _nearest(self, pairs: frozenset[str]) -> list[_Span]:
        """The spans that say most nearly the same; two clauses only where no single one comes as near."""
        scored = [(_held(pairs, span.pairs) + _held(span.pairs, pairs), span) for span in self._spans if span.pairs]
        near = max((score for score, _ in scored), default=0.0) * _AS_LIKE
        found = [span for score, span in scored if score >= near]
        return [span for span in found if span.is_single] or found

    def _turned(self, clause: str) -> Iterator[Fault]:
        """Whether a few words (一般不会) are the opposite of the passages' own."""
        if clause in self._text:
            known = {span.text for span in self._spans}
            if clause not in known and any(_NEGATION.sub("", other) == _NEGATION.sub("", clause) for other in known):
                yield "negation"
        elif _MOSTLY.search(clause) and _MOSTLY.sub("", clause) in {_MOSTLY.sub("", span.text) for span in self._spans}:
            return
        elif _CERTAIN.search(clause) or _NEGATION.search(clause) or clause in {_NEGATION.sub("", s.text) for s in self._spans}:
            yield "certainty"


def _against(clause: str, sentence: str, span: _Span, about: frozenset[str]) -> Iterator[Fault]:
    if len(_NEGATION.findall(clause)) % 2 != len(_NEGATION.findall(span.text)) % 2:
        yield "negation"
    for group in _OPPOSITES:
        ours, theirs = _terms(group, clause), _terms(group, span.text)
        if ours - theirs and (theirs - ours or not ours.keys() & _terms(group, span.sentence).keys()):
            yield "opposite"
    if not read(clause).products <= (read(span.text).products or read(span.sentence).products or about):
        yield "product"
    if not set(_CERTAIN.findall(clause)) <= set(_CERTAIN.findall(span.sentence)):
        yield "certainty"
    if _HEDGE.search(span.text) and not _HEDGE.search(sentence):
        yield "certainty"
    if _REPORTED.search(span.sentence) and not _REPORTED.search(sentence):
        yield "certainty"
    more, fewer = _amounts(clause) - (stated := _amounts(span.text)), stated - _amounts(clause)
    if fewer and any(key in stated or not _vouched(key, set(stated)) for key in more):
        yield "figure"


def _readable(text: str) -> str:
    """One form for both sides: scrubbed, numerals as digits, no blanks inside numbers or between characters."""
    text = "".join(c if c in "，；！？（）：" else unicodedata.normalize("NFKC", c) for c in scrub(text))
    text = re.sub(r"(?<=[\d\u3400-\u9fff])[ \t]+(?=[\d\u3400-\u9fff])", "", text.translate(_NUMERAL_FORMS))
    text = _NUMERAL.sub(lambda match: _digits(match, text), text)
    return _TEN_THOUSANDS.sub(lambda match: str(int(match[1]) * _SCALES[match[2]]), text)


def _digits(match: re.Match[str], text: str) -> str:
    """五万 → 50000, 二〇二六 → 2026, 二十四 → 24; numerals that are only language stay words."""
    words, before, after = match[0], text[: match.start()][-1:], text[match.end() :]
    if words == "一" or words[0] in "百千万亿" or before.isdigit() or after.startswith("分之"):
        return words
    if (words == "十" and after[:1] in "分足") or (len(words) == 1 and after[:1] == "成"):
        return words
    total = section = 0
    for part in re.findall(r"[^万亿]+[万亿]?|[万亿]", words):
        small = part.rstrip("万亿")
        if is_rough(small):
            return words
        section += value_of(small) * _SCALES.get(part[-1], 1)
    return str(total + section)


def _key(figure: Figure, *, loose: bool = False) -> str:
    """The figure as it is compared: 5万 is 5万元, and `loose`, an article without its law."""
    normal = figure.normal
    if figure.kind == "number" and re.fullmatch(r"\d{4,}元", normal):
        return normal[:-1]
    return re.sub(r"^《.*》(?=第)", "", normal) if loose and figure.kind == "law" else normal


def _vouched(key: str, known: set[str]) -> bool:
    """Whether a figure is known, be it as the end (8月1日) or the beginning (2018年) of a whole date."""
    if key in known:
        return True
    if re.fullmatch(r"\d{4}(?:-\d\d)?", key):
        return any(other.startswith(f"{key}-") for other in known)
    if key.startswith("--"):
        return any(re.match(rf"\d{{4}}{key[1:]}(?:-|$)", other) for other in known)
    return bool(re.match(r"第\d+条", key)) and any(other.endswith(f"》{key}") for other in known)


def _clauses(text: str) -> list[str]:
    found = (re.sub(r"[^\w.%《》〔〕@/+-]", "", clause).strip("-+.") for clause in _CLAUSE.findall(text))
    return [clause for clause in found if clause]


def _spans(sentence: str) -> Iterator[_Span]:
    clauses = _clauses(sentence)
    for place, clause in enumerate(clauses):
        yield _Span(clause, sentence, True, _pairs(clause))
        if place + 1 < len(clauses):
            both = clause + clauses[place + 1]
            yield _Span(both, sentence, False, _pairs(both))


def _terms(group: Sequence[re.Pattern[str]], text: str) -> Counter[int]:
    return Counter({number: count for number, term in enumerate(group) if (count := len(term.findall(text)))})


def _amounts(text: str) -> Counter[str]:
    return Counter(_key(figure, loose=True) for figure in figures(text)) + Counter(_COUNTED.findall(text))


def _pairs(text: str) -> frozenset[str]:
    bare = re.sub(r"[\W_]+", "", text)
    return frozenset(bare[place : place + 2] for place in range(len(bare) - 1))


def _held(pairs: frozenset[str], by: frozenset[str]) -> float:
    return len(pairs & by) / len(pairs) if pairs else 1.0


def carried_by(sentence: str, lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines of a passage that a sentence rests on: the nearest one, and each that adds to it."""
    wanted = _matter(sentence)
    left, taken = set(wanted), list[Line]()
    rest = list(lines)
    while rest:
        best = max(rest, key=lambda line: len(left & _matter(line.text)))
        gain = len(left & _matter(best.text))
        if taken and gain < _ADDS * len(wanted):
            break
        taken.append(best)
        rest.remove(best)
        left -= _matter(best.text)
    return tuple(taken)


def _matter(text: str) -> frozenset[str]:
    """Character pairs and figures of a text."""
    text = _readable(text)
    return _pairs(text) | {_key(figure) for figure in figures(text)}
