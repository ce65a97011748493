"""The intent head: whether a question is about what the corpus covers, and whether somebody is in danger.

A multinomial logistic regression over the query's vector and its character n-grams, fitted by
`model/train_intents.py` on texts written for it. The vector knows what is meant, the n-grams know the words
that give a scam away. It belongs to the model it was fitted on and is silent beside any other.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from knowledge.embedding import Vectors
from knowledge.settings import shipped

HEAD_FILE = Path(shipped("model") / "intents.npz")
_BUCKETS = 2**14
_LONGEST_GRAM = 3
# How much the vector counts beside the n-grams; both have length 1.
_VECTOR_SHARE = 3.0


@dataclass(frozen=True)
class IntentHead:
    """`weights` has shape (labels, dimension + buckets), `bias` (labels,)."""

    labels: tuple[str, ...]
    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def read(self, text: str, vector: Vectors) -> dict[str, float]:
        """The probability of each label for a normalised text with its vector; they add up to 1."""
        values = self.weights @ features(text, vector) + self.bias
        powers = np.exp(values - values.max())
        return {label: float(power) for label, power in zip(self.labels, powers / powers.sum(), strict=True)}


def features(text: str, vector: Vectors) -> npt.NDArray[np.float32]:
    """Shape (dimension + buckets,): the vector, then hashed character n-grams with dampened counts."""
    grams = np.zeros(_BUCKETS, dtype=np.float32)
    for n in range(1, _LONGEST_GRAM + 1):
        for place in range(len(text) - n + 1):
            grams[zlib.crc32(text[place : place + n].encode()) % _BUCKETS] += 1
    grams = np.log1p(grams)
    grams /= np.linalg.norm(grams) or 1.0
    return np.concatenate([vector * _VECTOR_SHARE, grams])


def load_intent_head(model_identity: str, path: Path = HEAD_FILE) -> IntentHead | None:
    """The head that was fitted on this model, or none."""
    if not path.is_file():
        return None
    with np.load(path) as values:
        if str(values["model"]) != model_identity:
            return None
        return IntentHead(
            tuple(map(str, values["labels"])), values["weights"].astype(np.float32), values["bias"].astype(np.float32)
        )
