"""The parts list: the only file that names concrete classes."""

from __future__ import annotations

from collections.abc import Callable

from assistant.answering import Assistant
from assistant.settings import Settings
from knowledge.embedding import load_embedder
from knowledge.indexing import Progress, ensure_index, silent
from knowledge.reranking import shipped_reranker
from knowledge.retriever import Retriever


def build_retriever(settings: Settings, progress: Progress = silent, warn: Callable[[str], None] = lambda _: None) -> Retriever:
    """The retriever over the present corpus; its index is built first where need be."""
    knowledge = settings.knowledge
    embedder = load_embedder(knowledge.embedding)
    index = ensure_index(knowledge, embedder, progress=progress, warn=warn)
    return Retriever(index, embedder, shipped_reranker(), knowledge.retrieval)


def build_assistant(settings: Settings, progress: Progress = silent, warn: Callable[[str], None] = lambda _: None) -> Assistant:
    """The assistant that every surface and the evaluation call."""
    return Assistant(build_retriever(settings, progress, warn), max_question_chars=settings.max_question_chars)
