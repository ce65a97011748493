"""What a query and a passage have in common, as numbers.

Embeddings put 提额 beside 降额 and words cannot tell 没了 from 归零; the concepts of
`lexicon/concepts.tsv` can. Every signal is a plain number with a name, shown in `--json`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from knowledge.chinese_text import normalise, segment

# Concepts that say how something is asked, not what about.
WAYS_OF_ASKING = frozenset({"why", "how", "can", "howlong", "howmuch", "cannot", "condition", "same"})
# A query that holds one side and a question that holds the other mean opposite things.
_OPPOSITES = (("raise", "drop"), ("open", "close"), ("freeze", "unfreeze"), ("raise", "zero"), ("open", "unfreeze"))
_DEFAULT_PRODUCT = "借呗"


@dataclass(frozen=True, slots=True)
class Reading:
    """A normalised text, read once: its words, the concepts it touches, the products it names."""

    text: str
    words: frozenset[str]
    concepts: frozenset[str]
    products: frozenset[str]

    @property
    def matters(self) -> frozenset[str]:
        """What it is about, leaving aside how it is asked."""
        return self.concepts - WAYS_OF_ASKING


def read(text: str) -> Reading:
    """Read a text as typed or as written in the corpus."""
    text = normalise(text)
    return Reading(
        text=text,
        words=frozenset(segment(text)),
        concepts=frozenset(name for name, pattern in _concepts() if pattern.search(text)),
        products=frozenset(name for name, pattern in _products() if pattern.search(text)),
    )


def overlap(query: Reading, question: Reading, weight: Callable[[str], float]) -> float:
    """Dice coefficient of two word sets, each word counted by its weight; in [0, 1]."""
    shared = sum(map(weight, query.words & question.words))
    total = sum(map(weight, query.words)) + sum(map(weight, question.words))
    return 2 * shared / total if total else 0.0


def coverage(query: Reading, words: frozenset[str], weight: Callable[[str], float]) -> float:
    """Share of the query's words, by weight, that the passage holds anywhere; in [0, 1]."""
    total = sum(map(weight, query.words))
    return sum(map(weight, query.words & words)) / total if total else 0.0


def agreement(query: Reading, question: Reading) -> float:
    """Dice coefficient of the concepts of two questions; 0.5 where neither has any."""
    total = len(query.concepts) + len(question.concepts)
    return 2 * len(query.concepts & question.concepts) / total if total else 0.5


def same_way(query: Reading, question: Reading) -> float:
    """Whether both ask in the same way (why, how, how long): Dice coefficient, 0.5 where neither shows one."""
    one, other = query.concepts & WAYS_OF_ASKING, question.concepts & WAYS_OF_ASKING
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 0.5


def missing(query: Reading, questions: Sequence[Reading]) -> float:
    """Share of the query's matters that no way of asking for the passage touches; 0 where it has none."""
    touched = frozenset[str]().union(*(question.concepts for question in questions))
    return len(query.matters - touched) / len(query.matters) if query.matters else 0.0


def extra(query: Reading, heading: Reading) -> float:
    """Share of the heading's matters that the query does not touch; 0 where it has none."""
    return len(heading.matters - query.concepts) / len(heading.matters) if heading.matters else 0.0


def letters(query: Reading, question: Reading) -> float:
    """Dice coefficient of character pairs: survives the misspelling that no dictionary knows."""
    one, other = _pairs(query.text), _pairs(question.text)
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def opposition(query: Reading, questions: Sequence[Reading]) -> float:
    """1 where every way of asking for the passage means the opposite of the query, else 0."""
    return float(bool(questions) and all(_opposed(query, question) for question in questions))


def stray_product(query: Reading, heading: Reading) -> float:
    """1 where the passage is about another product than the query, else 0."""
    asked = query.products or {_DEFAULT_PRODUCT}
    about = heading.products or {_DEFAULT_PRODUCT}
    if asked & about:
        # A heading that adds a product nobody asked about is a little off, not wrong.
        return 0.5 if about - asked and not query.products >= about else 0.0
    return 1.0


def missing_product(query: Reading, heading: Reading) -> float:
    """Share of the products the query names that the heading does not: 花呗借呗都冻结了 wants more than 花呗冻结."""
    about = heading.products or {_DEFAULT_PRODUCT}
    return len(query.products - about) / len(query.products) if query.products else 0.0


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[place : place + 2] for place in range(len(text) - 1))


def _opposed(query: Reading, question: Reading) -> bool:
    def one_sided(a: str, b: str) -> bool:
        return a in query.concepts and b in question.concepts and a not in question.concepts and b not in query.concepts

    return any(one_sided(a, b) or one_sided(b, a) for a, b in _OPPOSITES)


@cache
def _concepts() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return _patterns("concepts.tsv")


@cache
def _products() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return _patterns("products.tsv")


def _patterns(name: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    lines = (files("knowledge") / "lexicon" / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line.strip())
    return tuple((concept, re.compile(pattern)) for concept, pattern in pairs)
