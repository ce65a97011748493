"""Chinese numerals below ten thousand: 一百二十, 二〇二六, 两千."""

from __future__ import annotations

DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
TENS = {"十": 10, "百": 100, "千": 1000}


def value_of(words: str) -> int:
    """一百二十 → 120, 二〇二六 → 2026; `words` holds nothing but DIGITS and TENS."""
    if not set(words) & set(TENS):
        return int("".join(str(DIGITS[c]) for c in words))
    total, digit = 0, 0
    for c in words:
        if c in TENS:
            total += (digit or 1) * TENS[c]
            digit = 0
        else:
            digit = DIGITS[c]
    return total + digit


def is_rough(words: str) -> bool:
    """Whether it means about so many: 三五 and 一两 do, 五 does not, and four digits are a year."""
    return len(words) not in (1, 4) and not set(words) & set(TENS)
