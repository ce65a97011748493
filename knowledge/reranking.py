"""The last word on the order: a few named signals, weighed into one probability.

The weights are those of a logistic regression, kept beside the lexicon as data; `evals` refits them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Protocol


class Reranker(Protocol):
    """Turns the signals of one candidate into a score in [0, 1]."""

    def score(self, signals: Mapping[str, float]) -> float: ...


class WeightedSignals:
    """Logistic function of a weighted sum of signals."""

    def __init__(self, weights: Mapping[str, float], bias: float) -> None:
        self._weights = dict(weights)
        self._bias = bias

    def score(self, signals: Mapping[str, float]) -> float:
        """The probability that a passage with these signals answers the query."""
        total = self._bias + sum(weight * signals.get(name, 0.0) for name, weight in self._weights.items())
        return 1.0 / (1.0 + math.exp(-total))


@cache
def shipped_reranker() -> WeightedSignals:
    """The weights that travel with the package."""
    values = json.loads((files("knowledge") / "lexicon" / "ranking.json").read_text(encoding="utf-8"))
    return WeightedSignals(values["weights"], values["bias"])
