"""The intent head: whether a question is about what the corpus covers, and whether somebody is in danger.

A multinomial logistic regression over the query's vector, fitted by `model/train_intents.py` on texts
written for it, so it belongs to the model it was fitted on and is silent beside any other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from knowledge.embedding import Vectors
from knowledge.settings import shipped


@dataclass(frozen=True)
class IntentHead:
    """`weights` has shape (labels, dimension), `bias` (labels,)."""

    labels: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    def read(self, vector: Vectors) -> dict[str, float]:
        """The probability of each label; they add up to 1."""
        values = self.weights @ vector + self.bias
        powers = np.exp(values - values.max())
        return {label: float(power) for label, power in zip(self.labels, powers / powers.sum(), strict=True)}


def load_intent_head(model_identity: str) -> IntentHead | None:
    """The head that was fitted on this model, or none."""
    path = shipped("model") / "intents.json"
    if not path.is_file():
        return None
    values = json.loads(path.read_text(encoding="utf-8"))
    if values["model"] != model_identity:
        return None
    return IntentHead(tuple(values["labels"]), np.array(values["weights"]), np.array(values["bias"]))
