"""A real Assistant over the small corpus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

import knowledge.indexing as indexing
from assistant.answering import Assistant
from knowledge.indexing import ensure_index
from knowledge.retriever import Retriever
from knowledge.settings import KnowledgeSettings
from tests.conftest import WORDS_DECIDE, CharacterEmbedder


@pytest.fixture
def bot(settings: KnowledgeSettings, embedder: CharacterEmbedder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Assistant]:
    monkeypatch.setattr(indexing, "checking", lambda: nullcontext(lambda folder: None))
    index = ensure_index(settings, embedder)
    yield Assistant(Retriever(index, embedder, WORDS_DECIDE, settings.retrieval), max_question_chars=2000)
    index.close()
