"""What every test may use: a small corpus, an embedder whose rankings are obvious, and no real home."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from knowledge.embedding import Vectors
from knowledge.reranking import WeightedSignals
from knowledge.settings import KnowledgeSettings

# HYPOTHESIS_PROFILE=thorough, as `make thorough` sets it; a hundred texts a property otherwise.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=10_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

SMALL_CORPUS = Path(__file__).parent / "data" / "corpus"


# Words and concepts decide, so that a ranking in a test can be predicted by reading the two texts.
WORDS_DECIDE = WeightedSignals(
    {"question_overlap": 8, "coverage": 3, "agreement": 2, "opposition": -3, "stray_product": -2, "body_cosine": 1, "trust": 0.1},
    bias=-4,
)


class CharacterEmbedder:
    """One axis per hashed character: texts are as near as the characters they share."""

    def __init__(self, *, name: str = "characters", dimension: int = 64) -> None:
        self.identity = name
        self.dimension = dimension
        self.embedded: list[str] = []

    def embed_query(self, query: str) -> Vectors:
        return self._embed([query])[0]

    def embed_queries(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        return self.embed_passages(texts, on_progress)

    def embed_passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        self.embedded.extend(texts)
        vectors = self._embed(texts)
        if on_progress is not None:
            on_progress(len(texts))
        return vectors

    def _embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for character in text:
                vectors[row, hashlib.sha256(character.encode("utf-8", "replace")).digest()[0] % self.dimension] += 1
            vectors[row] /= np.linalg.norm(vectors[row]) or 1.0
        return vectors


@pytest.fixture(autouse=True)
def private_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test can touch the index, the settings or the environment of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("JIEBEI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def embedder() -> CharacterEmbedder:
    return CharacterEmbedder()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A copy of the small corpus that a test may change."""
    import shutil

    return Path(shutil.copytree(SMALL_CORPUS, tmp_path / "corpus"))


@pytest.fixture
def settings(tmp_path: Path, corpus: Path) -> KnowledgeSettings:
    return KnowledgeSettings(index_dir=tmp_path / "index", corpus=(corpus,), other_questions=None)
