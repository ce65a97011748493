"""Typed pinyin read as the words it most likely stands for: "jiebei edu meiyou le" → 借呗额度没有了.

The most probable way to cut the letters into known words (Viterbi over a unigram model). The words and
their counts are those of the questions this project knows, spelled beforehand by `model/spell_words.py`,
so that `edu` is 额度 and not 恶毒.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files
from pathlib import Path

TABLE = Path(str(files("knowledge") / "lexicon" / "pinyin.tsv"))
# Shorter runs are mostly abbreviations and English (app, vip, ok); one of four letters must be a single word.
_LEAST_LETTERS = 4
_LEAST_LETTERS_OF_A_PHRASE = 5
_LONGEST = 24


def read_pinyin(letters: str) -> str | None:
    """The words behind lower-case letters and blanks; None where they do not read as pinyin from end to end.

    Single characters alone are not trusted: at least one word of two characters or more must be among them.
    """
    letters = letters.replace(" ", "")
    if len(letters) < _LEAST_LETTERS:
        return None
    table = _table()
    best: list[tuple[float, tuple[str, ...]] | None] = [(0.0, ())] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - _LONGEST), end):
            before, entry = best[start], table.get(letters[start:end])
            if before is None or entry is None:
                continue
            word, cost = entry
            present = best[end]
            if present is None or before[0] + cost < present[0]:
                best[end] = (before[0] + cost, (*before[1], word))
    found = best[-1]
    if found is None or (len(letters) < _LEAST_LETTERS_OF_A_PHRASE and len(found[1]) > 1):
        return None
    return "".join(found[1]) if any(len(word) > 1 for word in found[1]) else None


def known_words() -> dict[str, int]:
    """The words of the known questions and how often they stand there."""
    return {word: count for _, word, count in _rows()}


@cache
def _table() -> dict[str, tuple[str, float]]:
    """For each spelling the most frequent word and its cost, the negative logarithm of its share."""
    rows = _rows()  # most frequent first
    total = sum(count for _, _, count in rows)
    table: dict[str, tuple[str, float]] = {}
    for spelled, word, count in rows:
        table.setdefault(spelled, (word, -math.log(count / total)))
    return table


def _rows() -> list[tuple[str, str, int]]:
    lines = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    return [(spelled, word, int(count)) for spelled, word, count in lines]
