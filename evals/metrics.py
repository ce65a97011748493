"""Metrics over one query or one set, each a small pure function.

What cannot be scored is no zero: such a metric returns None (or raises, where the caller should have
known), and the caller leaves it out of the mean and says so by its n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

Supports = Callable[[str, Sequence[str]], bool]
"""Whether the cited texts together support the sentence."""

_CITATIONS_COUNTED = 3  # ALCE looks at the first three of a sentence


class NothingRelevant(ValueError):
    """A ranking metric was asked about a query without relevant items."""


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A shown sentence and the texts its markers resolve to; None for a marker that points at nothing."""

    text: str
    cited: tuple[str | None, ...]


def hit_rate(ranked: Sequence[str], relevant: Collection[str], *, k: int) -> float:
    """1 if any of the first k is relevant, else 0.

    >>> hit_rate(["b", "a"], {"a"}, k=1), hit_rate(["b", "a"], {"a"}, k=2)
    (0.0, 1.0)
    """
    _require(relevant)
    return float(any(item in relevant for item in ranked[:k]))


def reciprocal_rank(ranked: Sequence[str], relevant: Collection[str]) -> float:
    """1 / rank of the first relevant item, 0 if there is none (Voorhees, TREC-8 1999).

    >>> reciprocal_rank(["c", "b", "a"], {"a", "b"})
    0.5
    """
    _require(relevant)
    return next((1.0 / rank for rank, item in enumerate(ranked, start=1) if item in relevant), 0.0)


def ndcg(ranked: Sequence[str], relevant: Collection[str], *, k: int) -> float:
    """Discounted gain over the first k, divided by the best possible one (Järvelin and Kekäläinen, TOIS 2002).

    Gain 1 for a relevant item, discount 1 / log2(rank + 1).

    >>> round(ndcg(["b", "a"], {"a"}, k=2), 4)  # 1 / log2(3)
    0.6309
    """
    _require(relevant)
    gain = sum(1.0 / math.log2(rank + 1) for rank, item in enumerate(ranked[:k], start=1) if item in relevant)
    best = sum(1.0 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return gain / best


def citation_recall(sentences: Sequence[CitedSentence], supports: Supports) -> float | None:
    """Share of the sentences that their citations support (ALCE, Gao et al., EMNLP 2023).

    A sentence without a citation, or with one that points at nothing, counts 0; None for no sentence.
    """
    if not sentences:
        return None
    return sum(_is_supported(sentence, supports) for sentence in sentences) / len(sentences)


def citation_precision(sentences: Sequence[CitedSentence], supports: Supports) -> float | None:
    """Share of the citations that are needed (ALCE, Gao et al., EMNLP 2023).

    A citation counts if its sentence is supported and either it supports the sentence alone or the
    others do not without it. 0 where nothing is cited; None for no sentence.
    """
    if not sentences:
        return None
    verdicts = [verdict for sentence in sentences for verdict in _needed(sentence, supports)]
    return sum(verdicts) / len(verdicts) if verdicts else 0.0


def key_point_coverage(text: str, points: Sequence[Sequence[str]]) -> float | None:
    """Share of the points of which one wording occurs in the text; None where a case names none.

    >>> key_point_coverage("可以提前还", [["可以", "能"], ["违约金"]])
    0.5
    """
    if not points:
        return None
    return sum(any(wording in text for wording in point) for point in points) / len(points)


def precision_recall(claimed: Sequence[bool], true: Sequence[bool]) -> tuple[float | None, float | None]:
    """Precision = right claims / all claims, recall = right claims / all that are true; None for 0 / 0.

    For refusals: claimed is "was refused", true is "should be refused".

    >>> precision_recall([True, True, False], [True, False, True])
    (0.5, 0.5)
    """
    right = sum(c and t for c, t in zip(claimed, true, strict=True))
    return _ratio(right, sum(claimed)), _ratio(right, sum(true))


def false_refusal_rate(refused: Sequence[bool], answerable: Sequence[bool]) -> float | None:
    """Share of the answerable questions that were refused.

    >>> false_refusal_rate([True, False, True], [True, True, False])
    0.5
    """
    return _ratio(sum(r and a for r, a in zip(refused, answerable, strict=True)), sum(answerable))


def refusal_curve(scores: Sequence[float], unanswerable: Sequence[bool]) -> list[tuple[float, float, float]]:
    """(threshold, precision, recall) of refusing every question whose best score lies below the threshold.

    One point for each distinct score, taken just above it, so each point refuses one score more.

    >>> refusal_curve([0.1, 0.9], [True, False])
    [(0.1, 1.0, 1.0), (0.9, 0.5, 1.0)]
    """
    points = []
    for threshold in sorted(set(scores)):
        precision, recall = precision_recall([score <= threshold for score in scores], unanswerable)
        if precision is not None and recall is not None:
            points.append((threshold, precision, recall))
    return points


def consistency(first: Sequence[str | None]) -> float | None:
    """1 if all phrasings of one question got the same thing, else 0; None for fewer than two.

    `first` holds what each phrasing rests on: the id of its first citation, None for a refusal.

    >>> consistency(["a#1", "a#1"]), consistency(["a#1", None])
    (1.0, 0.0)
    """
    return float(len(set(first)) == 1) if len(first) > 1 else None


def percentile(values: Sequence[float], q: float) -> float | None:
    """The q-th percentile with linear interpolation; None for no values.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.5
    """
    return float(np.percentile(np.asarray(values, dtype=float), q)) if values else None


def cohen_kappa(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Agreement beyond chance, (p_o - p_e) / (1 - p_e) (Cohen 1960); None where chance alone explains all.

    >>> cohen_kappa(["a", "a", "b", "b"], ["a", "a", "b", "a"])
    0.5
    """
    n = len(one)
    if n == 0:
        return None
    observed = sum(a == b for a, b in zip(one, other, strict=True)) / n
    expected = sum((one.count(label) / n) * (other.count(label) / n) for label in set(one) | set(other))
    return None if expected == 1.0 else (observed - expected) / (1.0 - expected)


def _require(relevant: Collection[str]) -> None:
    if not relevant:
        raise NothingRelevant("a query without relevant items cannot be ranked well or badly")


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _is_supported(sentence: CitedSentence, supports: Supports) -> bool:
    cited = sentence.cited[:_CITATIONS_COUNTED]
    if not cited or None in cited:
        return False
    return supports(sentence.text, [text for text in cited if text is not None])


def _needed(sentence: CitedSentence, supports: Supports) -> list[bool]:
    cited = sentence.cited[:_CITATIONS_COUNTED]
    if not _is_supported(sentence, supports):
        return [False] * len(cited)
    texts = [text for text in cited if text is not None]
    if len(texts) == 1:
        return [True]
    return [
        supports(sentence.text, [text]) or not supports(sentence.text, [*texts[:i], *texts[i + 1 :]])
        for i, text in enumerate(texts)
    ]
