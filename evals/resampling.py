"""How sure a number is: bootstrap intervals, and paired tests for comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ROUNDS = 2000
_SEED = 20261123


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` cases with its 95 % interval."""

    n: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Ours minus theirs over the same cases: mean, 95 % interval, and the share of resamples on the other side of 0."""

    n: int
    mean: float
    low: float
    high: float
    p: float


def estimate(values: Sequence[float | None], *, rounds: int = _ROUNDS, seed: int = _SEED) -> Estimate | None:
    """Mean and percentile bootstrap interval (Efron 1979) of the values that could be scored; None if none could."""
    scored = np.array([value for value in values if value is not None], dtype=float)
    if not len(scored):
        return None
    low, high = _interval(scored, rounds, seed)
    return Estimate(len(scored), float(scored.mean()), low, high)


def paired_difference(
    ours: Sequence[float | None], theirs: Sequence[float | None], *, rounds: int = _ROUNDS, seed: int = _SEED
) -> Difference | None:
    """Paired bootstrap (Koehn 2004): cases are drawn, both systems are read off the same cases."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    if not pairs:
        return None
    differences = np.array([a - b for a, b in pairs], dtype=float)
    low, high = _interval(differences, rounds, seed)
    means = _resampled_means(differences, rounds, seed)
    p = min(1.0, 2 * min(float((means <= 0).mean()), float((means >= 0).mean())))
    return Difference(len(pairs), float(differences.mean()), low, high, p)


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Exact two-sided McNemar test (1947): p of so uneven a split of the cases only one system got right.

    >>> mcnemar([True] * 5, [False] * 5)  # 2 / 2**5
    0.0625
    """
    only_ours = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    only_theirs = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    n = only_ours + only_theirs
    tail = sum(math.comb(n, i) for i in range(min(only_ours, only_theirs) + 1))
    return min(1.0, 2 * tail / float(2**n))


def _interval(values: np.typing.NDArray[np.float64], rounds: int, seed: int) -> tuple[float, float]:
    low, high = np.percentile(_resampled_means(values, rounds, seed), [2.5, 97.5])
    return float(low), float(high)


def _resampled_means(values: np.typing.NDArray[np.float64], rounds: int, seed: int) -> np.typing.NDArray[np.float64]:
    draws = np.random.default_rng(seed).integers(0, len(values), size=(rounds, len(values)), dtype=np.int32)
    means: np.typing.NDArray[np.float64] = values[draws].mean(axis=1)
    return means
