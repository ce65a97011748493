"""The figures of a Chinese text in one normal form: what a body states and a fact must vouch for.

    数  20万元 → 200000元, 15天 → 15日, 百分之五 → 5%, 22:00 → 22点, 三个月 → 3个月
    日  2018年1月9日 → 2018-01-09, 2018年 → 2018, 8月1日 → --08-01
    话  400-810-8866 → 4008108866
    法  《中华人民共和国民法典》第677条 → 《民法典》第677条, 金规〔2026〕2号 → 〔2026〕2号

The checker compares bodies with the fact ledger in this form only; neither side is ever shown it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from knowledge.numerals import DIGITS, is_rough, value_of

Kind = Literal["number", "date", "phone", "law"]

_MULTIPLIERS = {"": 1, "千": 1000, "万": 10_000, "百万": 1_000_000, "千万": 10_000_000, "亿": 100_000_000}
# Other counters (个, 家, 种 …) carry no meaning of their own: 3个账户 is the bare number 3.
_UNITS = {
    "元": "元", "块": "元", "%": "%", "个百分点": "%", "百分点": "%", "倍": "倍",
    "年": "年", "个月": "个月", "周": "周", "天": "日", "日": "日", "个工作日": "工作日", "小时": "小时", "分钟": "分钟",
    "点": "点", "次": "次", "笔": "笔", "期": "期", "张": "张", "周岁": "岁", "岁": "岁", "分": "分", "号": "号",
}  # fmt: skip
_UNIT = "|".join(sorted(_UNITS, key=len, reverse=True))
# 三点建议, 三分之一, 二号: in Chinese numerals these units are mostly no figures.
_SPELLED_UNIT = "|".join(unit for unit in sorted(_UNITS, key=len, reverse=True) if unit not in ("分", "点", "号", "块", "张"))
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_SCALE = r"(?:百万|千万|[千万亿])"
_DASH = r"(?:[-–—~〜]|至|到)"

_SPACE_AT_HAN = re.compile(r"(?<=[\u3400-\u9fff》〕])[ \t]+|[ \t]+(?=[\u3400-\u9fff《〔%])")
_DOCUMENT_NUMBER = re.compile(r"〔(\d{4})〕第?(\d+)号")
_STANDARD = re.compile(r"GB/T ?(\d+(?:\.\d+)?-\d{4})")
_PHONE = re.compile(
    r"(?<![\d.,-])(?:(?:\+?86-)?400-?\d{3}-?\d{4}|0\d{2,3}-\d{7,8}|1[3-9]\d{9}|95\d{3,4}(?:-\d)?|96110|12[0-9]{3}|1[12][0-9])"
    rf"(?![\d.,%]|-\d|{_SCALE}|{_UNIT}|个)"
)
_LAW = re.compile(r"《([^《》]{2,60})》")
_ARTICLES = re.compile(rf"第(\d+)条(之[一二三四五])?(?:第?[\d一二三四五]+款)?(?:{_DASH}第(\d+)条)?")
_YEARS = re.compile(rf"(?<!\d)((?:19|20)\d\d)年?{_DASH}((?:19|20)\d\d)(?=年|(?![\d-]))")
_DATE = re.compile(
    r"(?<!\d)((?:19|20)\d\d)(?:-(0[1-9]|1[0-2])(?:-([0-3]\d))?(?!\d)|年(?:(1[0-2]|0?[1-9])月(?:([0-3]?\d)日)?)?|(?![\d.,%元万年]))"
)
_MONTH_DAY = re.compile(r"(?<![\d个])(1[0-2]|0?[1-9])月(?:([0-3]?\d)[日号])?")
_CLOCK = re.compile(r"(?<!\d)([0-2]?\d):([0-5]\d)(?::[0-5]\d)?(?!\d)")
_FRACTION = re.compile(rf"([{''.join(DIGITS)}十]+|百|万)分之([{''.join(DIGITS)}十百]+|{_NUMBER})")
_TENTHS = re.compile(r"([三四五六七八九])成")
_ARABIC = re.compile(rf"({_NUMBER})(?:[余多])?({_SCALE})?(?:[余多])?({_UNIT})?")
_SEPARATOR = re.compile(rf"(?:{_DASH}|[/、])")
_SPELLED = re.compile(rf"([{''.join(DIGITS)}十百千]+)({_SCALE})?({_SPELLED_UNIT})")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its normal form, what it is, its line in the text (from 0), the words it was read from.

    `spelled` marks Chinese numerals, which below three are rather language (一笔, 两次) than figures.
    """

    normal: str
    kind: Kind
    line: int
    words: str
    spelled: bool = False


def figures(text: str) -> list[Figure]:
    """Every figure of a text, in reading order of its lines."""
    found: list[Figure] = []
    law = ""
    for number, line in enumerate(text.split("\n")):
        reader = _Line(number, _flatten(line), law)
        found.extend(reader.read())
        law = reader.law
    return found


def law_name(title: str) -> str:
    """A law's title as it is compared: without 《》 and 中华人民共和国."""
    return title.strip("《》").removeprefix("中华人民共和国")


def _flatten(line: str) -> str:
    # A full-width comma ends a figure, an ASCII one may stand inside it: 95188，110 but 10,000.
    narrow = "".join(c if c in "，；！？（）" else unicodedata.normalize("NFKC", c) for c in line)
    return _SPACE_AT_HAN.sub("", narrow)


class _Line:
    """One line, read kind by kind; what was read is blanked, so that nothing is read twice."""

    def __init__(self, number: int, text: str, law: str) -> None:
        self.number, self.text, self.law = number, text, law

    def read(self) -> Iterator[Figure]:
        yield from self._take(_DOCUMENT_NUMBER, "law", lambda m: [f"〔{m[1]}〕{m[2]}号"])
        yield from self._take(_STANDARD, "law", lambda m: [f"GB/T{m[1]}"])
        yield from self._laws()
        yield from self._take(_PHONE, "phone", lambda m: [re.sub(r"\D", "", m[0]) if m[0][0] in "4+" else m[0]])
        yield from self._take(_YEARS, "date", lambda m: [m[1], m[2]])
        yield from self._take(_DATE, "date", lambda m: [_date(m)])
        yield from self._take(_MONTH_DAY, "date", lambda m: [f"--{int(m[1]):02}" + (f"-{int(m[2]):02}" if m[2] else "")])
        yield from self._take(_CLOCK, "number", lambda m: [f"{int(m[1])}点" if m[2] == "00" else f"{int(m[1])}:{m[2]}"])
        yield from self._take(_FRACTION, "number", lambda m: [_fraction(m[1], m[2])])
        yield from self._take(_TENTHS, "number", lambda m: [f"{DIGITS[m[1]] * 10}%"])
        yield from self._numbers()
        for figure in self._take(_SPELLED, "number", _spelled_quantity):
            yield Figure(figure.normal, figure.kind, figure.line, figure.words, spelled=True)

    def _take(self, pattern: re.Pattern[str], kind: Kind, normals: Callable[[re.Match[str]], list[str]]) -> Iterator[Figure]:
        for match in pattern.finditer(self.text):
            for normal in normals(match):
                yield Figure(normal, kind, self.number, match[0])
        self.text = pattern.sub(lambda match: "\0" * len(match[0]), self.text)

    def _laws(self) -> Iterator[Figure]:
        for match in re.finditer(f"{_LAW.pattern}|{_ARTICLES.pattern}", self.text):
            if match[1]:
                self.law = f"《{law_name(match[1])}》"
                yield Figure(self.law, "law", self.number, match[0])
                continue
            first, last = int(match[2]), int(match[4] or match[2])
            for article in range(first, min(last, first + 20) + 1):
                yield Figure(f"{self.law}第{article}条{match[3] or ''}", "law", self.number, match[0])
        self.text = _ARTICLES.sub(lambda match: "\0" * len(match[0]), _LAW.sub(lambda match: "\0" * len(match[0]), self.text))

    def _numbers(self) -> Iterator[Figure]:
        """Numbers in digits; in 3至5天 and 550/600/650分 the unit of the last holds for all."""
        matches = list(_ARABIC.finditer(self.text))
        scale, unit, following = "", "", len(self.text)
        read: list[Figure] = []
        for match in reversed(matches):
            linked = _SEPARATOR.fullmatch(self.text[match.end() : following]) is not None
            if match[3] or not linked:
                scale, unit = match[2] or "", match[3] or ""
            elif match[2]:  # 20万/1000万元 share 元, 300万、5.47% share nothing
                scale, unit = match[2], unit if unit == "元" else ""
            following = match.start()
            read.append(Figure(_quantity(Decimal(match[1].replace(",", "")), scale, unit), "number", self.number, match[0]))
        yield from reversed(read)
        self.text = _ARABIC.sub(lambda match: "\0" * len(match[0]), self.text)


def _date(match: re.Match[str]) -> str:
    year, month, day = match[1], match[2] or match[4], match[3] or match[5]
    return "-".join([year, *(f"{int(part):02}" for part in (month, day) if part)])


def _quantity(value: Decimal | int, scale: str | None, unit: str) -> str:
    amount = Decimal(value) * _MULTIPLIERS[scale or ""]
    return f"{amount.normalize():f}{_UNITS.get(unit, '')}"


def _spelled_quantity(match: re.Match[str]) -> list[str]:
    if is_rough(match[1]):
        return []  # 一两个月, 三五天: roughly, on purpose
    return [_quantity(value_of(match[1]), match[2], match[3])]


def _fraction(whole: str, part: str) -> str:
    value = Decimal(part.replace(",", "")) if part[0].isdigit() and part[0].isascii() else Decimal(value_of(part))
    if whole in ("百", "万"):
        return _quantity(value / (1 if whole == "百" else 100), "", "%")
    return f"{value:f}/{value_of(whole)}"
