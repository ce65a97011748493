"""The citation markers a chat model writes, in every bracket it may choose, read back as numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DASH = r"[-–—~～至]"
_NUMBER = r"-?\d{1,4}"
_ONE = rf"[\[［【〔]\s*(?:资料|来源|编号|\^)?\s*({_NUMBER}(?:\s*(?:{_DASH}|[,，、;；和])\s*(?:资料)?{_NUMBER})*)\s*[\]］】〕]"
# 、 between two markers joins them; a space before the first belongs to nobody.
_MARKERS = re.compile(rf"\s*{_ONE}(?:\s*[、,，]?\s*(?={_ONE}))?")
_LEADING = re.compile(rf"(?:\s*{_ONE})+")
_RANGE = re.compile(rf"(\d{{1,4}})\s*{_DASH}\s*(\d{{1,4}})|({_NUMBER})")
_WIDEST = 10


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence without its markers, those that point at evidence, and how many pointed at nothing."""

    text: str
    markers: tuple[int, ...]
    forged: int


def resolve(sentence: str, passages: int) -> Marked:
    """Read the markers of a sentence written from `passages` numbered passages."""
    numbers = [number for match in _MARKERS.finditer(sentence) for number in _numbers(match[1])]
    known = tuple(dict.fromkeys(number for number in numbers if 1 <= number <= passages))
    return Marked(_MARKERS.sub("", sentence), known, sum(not 1 <= number <= passages for number in numbers))


def leading(text: str) -> int:
    """Where the markers at the start of a text end; 0 where it starts with none."""
    match = _LEADING.match(text)
    return match.end() if match else 0


def _numbers(words: str) -> list[int]:
    found: list[int] = []
    for first, last, single in _RANGE.findall(words):
        if single:
            found.append(int(single))
        elif int(first) <= int(last) < int(first) + _WIDEST:
            found.extend(range(int(first), int(last) + 1))
        else:
            found += [int(first), int(last)]
    return found
