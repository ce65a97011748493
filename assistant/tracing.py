"""Traces of model calls, off unless a setting names where they go. What is sent was masked before.

langsmith   its own LANGSMITH_… variables    langfuse   pip install langfuse, LANGFUSE_… variables
otel        one span a call, with counts and no text, to whatever OpenTelemetry provider is set up
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from assistant.errors import InvalidSettings


def callbacks(tracing: str) -> list[Any]:
    """The langchain callbacks of one kind of tracing; none for "" and for LangSmith, which brings its own."""
    if tracing == "langfuse":
        try:
            from langfuse.langchain import CallbackHandler
        except ImportError:
            raise InvalidSettings("设置 tracing=langfuse 需要先运行 pip install langfuse。") from None
        return [CallbackHandler()]
    if tracing == "otel":
        return [_spans()]
    return []


def traced(tracing: str) -> AbstractContextManager[Any]:
    """LangSmith listens only where the setting says so, whatever its variables say."""
    from langsmith import tracing_context

    return tracing_context(enabled=tracing == "langsmith")


def _spans() -> Any:
    from langchain_core.callbacks import BaseCallbackHandler
    from opentelemetry import trace

    tracer = trace.get_tracer("jiebei-limit-assistant")

    class Spans(BaseCallbackHandler):
        """A span from the call to its end or failure."""

        def __init__(self) -> None:
            self._open: dict[Any, trace.Span] = {}

        def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: Any, **_: Any) -> None:
            self._open[run_id] = tracer.start_span("chat")

        def on_llm_end(self, response: Any, *, run_id: Any, **_: Any) -> None:
            if span := self._open.pop(run_id, None):
                span.end()

        def on_llm_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
            if span := self._open.pop(run_id, None):
                span.set_attribute("error.type", type(error).__name__)
                span.end()

    return Spans()
