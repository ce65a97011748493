"""The last word on the order: a few named signals, weighed into one probability.

Weights and thresholds are data, kept beside the lexicon with the model they were measured on;
`assistant eval fit` measures them again on the development cases.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Protocol

RANKING_FILE = Path(str(files("knowledge") / "lexicon" / "ranking.json"))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a score is worth: an answer from `answer` on, the nearest thing known from `near` on, below that nothing.

    `support` is the cosine with a passage that a sentence resting on it reaches, `silence` the cosine with its
    nearest known question that a question with an answer reaches; both are 0 for a model they were not measured on.
    """

    answer: float = 0.5
    near: float = 0.3
    support: float = 0.0
    silence: float = 0.0


def discounted(score: float, strange: float) -> float:
    """What a score is worth when the question belongs elsewhere with this probability.

    However near a passage is, it answers nothing then. The power is the one that tells the development
    questions without an answer best from the others (F1 of refusing 0.92, 0.95, 0.97 for 1, 2, 3).
    """
    return float(score * (1.0 - strange) ** 3)


class Reranker(Protocol):
    """Turns the signals of one candidate into a score in [0, 1], and knows what it is worth and on which model."""

    @property
    def thresholds(self) -> Thresholds: ...

    @property
    def model(self) -> str: ...

    def score(self, signals: Mapping[str, float]) -> float: ...


class WeightedSignals:
    """Logistic function of a weighted sum of signals. `model` names the embedding it was measured on."""

    def __init__(self, weights: Mapping[str, float], bias: float, thresholds: Thresholds = Thresholds(), model: str = "") -> None:
        self._weights = dict(weights)
        self._bias = bias
        self.thresholds = thresholds
        self.model = model

    def score(self, signals: Mapping[str, float]) -> float:
        """The probability that a passage with these signals answers the query."""
        total = self._bias + sum(weight * signals.get(name, 0.0) for name, weight in self._weights.items())
        return 1.0 / (1.0 + math.exp(-total))


@cache
def shipped_reranker() -> WeightedSignals:
    """The weights and thresholds that travel with the package."""
    values = json.loads(RANKING_FILE.read_text(encoding="utf-8"))
    return WeightedSignals(values["weights"], values["bias"], Thresholds(**values["thresholds"]), values["model"])
