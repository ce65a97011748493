"""The parts list: the only file that names concrete classes."""

from __future__ import annotations

from collections.abc import Callable

from assistant.answering import Assistant
from assistant.chat_model import OpenAIChatModel
from assistant.generating import Writer
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


def build_writer(settings: Settings) -> Writer | None:
    """What writes the answers with the chat model of the settings; None where there is none."""
    chat = settings.chat
    if chat is None:
        return None
    return Writer(OpenAIChatModel(chat), seconds=chat.deadline_seconds, unless_certain=chat.unless_certain)


def build_assistant(settings: Settings, progress: Progress = silent, warn: Callable[[str], None] = lambda _: None) -> Assistant:
    """The assistant that every surface and the evaluation call."""
    writer = build_writer(settings)
    retriever = build_retriever(settings, progress, warn)
    return Assistant(retriever, max_question_chars=settings.max_question_chars, writer=writer)
