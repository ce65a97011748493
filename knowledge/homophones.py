"""Characters typed for others that sound the same: 借呗额渡 → 借呗额度, 证信 → 征信.

Pinyin input offers the right sound and the wrong character. A noisy channel over pairs of characters (Kernighan,
Church and Gale, "A spelling correction program based on a noisy channel model", COLING 1990): a character beside
which its neighbours are never seen gives way to one of the same sound where they are seen often, provided that this
makes a known word and breaks none. Pairs and sounds are counted beforehand by `model/spell_words.py`, on the known
questions and on the corpus, whose own words are therefore never touched.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from operator import add
from pathlib import Path

from knowledge.pinyin import known_words

PAIRS = Path(str(files("knowledge") / "lexicon" / "pairs.tsv"))
SOUNDS = Path(str(files("knowledge") / "lexicon" / "sounds.tsv"))
START, END = "^", "$"
# Natural logarithm of how much better attested both neighbours must become: a factor of 150.
_GAIN = 5.0
_LONGEST_WORD = 4
# A word that known questions hold so often is no slip itself.
_COMMON = 12
HAN_RUN = re.compile(r"[\u4e00-\u9fff]+")


def fold(syllable: str) -> str:
    """A toneless syllable as most people hear it: zh like z, ing like in (so that 正 and 真 may stand for each other)."""
    return re.sub(r"(?<=[aei])ng$", "n", re.sub(r"^([zcs])h", r"\1", syllable))


def respell(text: str, is_word: Callable[[str], bool]) -> str:
    """The text with characters replaced where their sound makes a word that is known here; idempotent.

    `is_word` tells whether two characters are a word of the language: such a word is never taken apart.
    """
    return HAN_RUN.sub(lambda run: _respell_run(run.group(), is_word), text)


@dataclass(frozen=True, slots=True)
class _Tables:
    """`seen`: log(1 + count) of neighbours; `alike`: characters that may stand for one; `words`: what they may form."""

    seen: dict[str, float]
    alike: dict[str, str]
    words: frozenset[str]


def _respell_run(run: str, is_word: Callable[[str], bool]) -> str:
    seen = _tables().seen
    text = f"{START}{run}{END}"
    # Each replacement makes the pairs better attested, so the loop ends, and where it ends is a fixed point.
    # Nearly every run is written as it is known, so the check goes through as little Python as it can.
    while not all(map(seen.__contains__, map(add, text, text[1:]))):
        better = _best_replacement(text, is_word)
        if better is None:
            break
        text = better
    return text[1:-1]


def _best_replacement(text: str, is_word: Callable[[str], bool]) -> str | None:
    tables = _tables()
    best, most = None, _GAIN
    for place in range(1, len(text) - 1):
        left, typed, right = text[place - 1], text[place], text[place + 1]
        before, after = tables.seen.get(left + typed, 0.0), tables.seen.get(typed + right, 0.0)
        if before and after:
            continue
        for meant in tables.alike.get(typed, ""):
            gain = tables.seen.get(left + meant, 0.0) + tables.seen.get(meant + right, 0.0) - before - after
            if gain > most:
                candidate = f"{text[:place]}{meant}{text[place + 1 :]}"
                # The dictionary is asked last: it takes longest.
                if _is_in_word(candidate, place, tables.words) and not (is_word(left + typed) or is_word(typed + right)):
                    best, most = candidate, gain
    return best


def _is_in_word(text: str, place: int, words: frozenset[str]) -> bool:
    return any(
        text[start : start + length] in words
        for length in range(2, _LONGEST_WORD + 1)
        for start in range(max(0, place - length + 1), place + 1)
    )


@cache
def _tables() -> _Tables:
    words = frozenset(word for word, count in known_words().items() if len(word) > 1 and count >= _COMMON)
    meant = frozenset("".join(words))
    alike: dict[str, set[str]] = defaultdict(set)
    for line in SOUNDS.read_text(encoding="utf-8").splitlines():
        _, characters = line.split("\t")
        for typed in characters:
            alike[typed] |= meant.intersection(characters) - {typed}
    pairs = (line.split("\t") for line in PAIRS.read_text(encoding="utf-8").splitlines())
    return _Tables(
        seen={pair: math.log1p(int(count)) for pair, count in pairs},
        alike={typed: "".join(sorted(characters)) for typed, characters in alike.items()},
        words=words,
    )
