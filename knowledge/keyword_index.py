"""BM25 over segmented Chinese. The only importer of bm25s."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from knowledge.chinese_text import segment

if TYPE_CHECKING:
    import bm25s

_WEIGHTS = "weights.json"


class KeywordIndex:
    """Entries ranked by the words they share with a query."""

    def __init__(self, index: bm25s.BM25, weights: dict[str, float], size: int) -> None:
        self._index = index
        self._weights = weights
        self._unseen = math.log(1 + 2 * size)
        self.size = size

    @staticmethod
    def build(folder: Path, texts: Sequence[str]) -> None:
        """Write the index of normalised `texts` into a new folder; entry numbers are positions."""
        import bm25s

        tokens = [segment(text) or [""] for text in texts]
        index = bm25s.BM25(method="lucene", k1=1.2, b=0.5)
        index.index(tokens, show_progress=False)
        index.save(str(folder))
        frequencies = Counter(token for entry in tokens for token in set(entry))
        weights = {token: math.log(1 + len(texts) / count) for token, count in frequencies.items()}
        (folder / _WEIGHTS).write_text(json.dumps(weights, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def open(cls, folder: Path, size: int) -> KeywordIndex:
        """The index written by `build` over `size` texts."""
        import bm25s

        weights = json.loads((folder / _WEIGHTS).read_text(encoding="utf-8"))
        return cls(bm25s.BM25.load(str(folder)), weights, size)

    def search(self, query: str, n: int) -> list[tuple[int, float]]:
        """Up to `n` (entry, score) pairs with a score above 0, best first; ties go to the lower entry."""
        tokens = [token for token in segment(query) if token in self._weights]
        if not tokens:
            return []
        scores = self._index.get_scores(tokens)
        best = np.argpartition(-scores, min(n, len(scores) - 1))[: n * 2] if n < len(scores) else np.arange(len(scores))
        ranked = sorted(((int(i), float(scores[i])) for i in best if scores[i] > 0), key=lambda hit: (-hit[1], hit[0]))
        return ranked[:n]

    def knows(self, token: str) -> bool:
        """Whether any entry holds the word."""
        return token in self._weights

    def weight(self, token: str) -> float:
        """How much a word tells: its inverse document frequency, an unseen word the most."""
        return self._weights.get(token, self._unseen)
