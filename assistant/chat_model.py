"""One OpenAI-compatible chat model, behind a deadline. The only importer of langchain's models.

Whatever goes wrong out there becomes `NoReply` with a short reason that holds neither key nor text.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Any, Protocol

from assistant.settings import ChatSettings
from assistant.tracing import callbacks, traced

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

Messages = Sequence[tuple[str, str]]
"""("system" | "human", text), in order."""

# A failure that may have passed a moment later; anything else would fail again.
_PASSING = frozenset({408, 409, 429, 500, 502, 503, 504})
_PAUSE = 0.3
_FAILURES, _REST_SECONDS = 5, 60.0
_POLL = 0.2
# More than this for one token is not what was asked for.
_CHARS_PER_TOKEN = 8


class NoReply(Exception):
    """The model gave no whole answer; `reason` may be logged and shown."""

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_pass = may_pass


@dataclass(slots=True)
class Usage:
    """What one answer cost, and what the checks took out of it."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: int = 0
    dropped_sentences: int = 0
    forged_markers: int = 0


class ChatModel(Protocol):
    """Anything that writes text piece by piece until it is done."""

    @property
    def identity(self) -> str:
        """Changes whenever the same messages may get another kind of answer."""

    def stream(self, messages: Messages, usage: Usage, *, until: float) -> Iterator[str]:
        """Pieces of the reply; ends only when the model said it was done, by `until` on `time.monotonic`; raises NoReply."""


class Breaker:
    """Stops asking an endpoint that keeps failing, and tries again after a rest."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures = 0
        self._opened = 0.0
        self._lock = threading.Lock()

    def admits(self) -> bool:
        """Whether a call may be made; after the rest, one call finds out for all."""
        with self._lock:
            if self._failures < _FAILURES:
                return True
            if self._now() - self._opened < _REST_SECONDS:
                return False
            self._opened = self._now()
            return True

    def record(self, *, ok: bool) -> None:
        """Count the outcome of a call."""
        with self._lock:
            self._failures = 0 if ok else self._failures + 1
            if self._failures >= _FAILURES:
                self._opened = self._now()


class OpenAIChatModel:
    """Any OpenAI-compatible endpoint, through langchain."""

    def __init__(self, settings: ChatSettings, breaker: Breaker | None = None) -> None:
        from langchain_openai import ChatOpenAI

        self.identity = f"{settings.model}@{settings.base_url}"
        self._max_chars = settings.max_tokens * _CHARS_PER_TOKEN
        self._breaker = breaker or Breaker()
        self._tracing = settings.tracing
        self._callbacks = callbacks(settings.tracing)
        self._llm = ChatOpenAI(
            model=settings.model,
            base_url=settings.base_url,
            api_key=lambda: settings.api_key or "none",  # asked for when sent, so no repr holds it
            timeout=settings.deadline_seconds,
            max_retries=0,
            temperature=0,
            stream_usage=True,
            extra_body={"max_tokens": settings.max_tokens},  # the name that every compatible server knows
        )

    def stream(self, messages: Messages, usage: Usage, *, until: float) -> Iterator[str]:
        """See `ChatModel.stream`. One retry at most, and none once a piece has come."""
        if not self._breaker.admits():
            raise NoReply("连续失败，暂停调用")
        for is_last in (False, True):
            started = False
            try:
                for piece in self._attempt(messages, usage, until):
                    started = True
                    yield piece
            except NoReply as problem:
                if is_last or started or not problem.may_pass or time.monotonic() + _PAUSE >= until:
                    self._breaker.record(ok=False)
                    raise
                time.sleep(_PAUSE)
            else:
                self._breaker.record(ok=True)
                return

    def _attempt(self, messages: Messages, usage: Usage, until: float) -> Iterator[str]:
        """One call. It runs in its own thread: no read of a socket can be trusted to end in time."""
        usage.calls += 1
        chunks: Queue[AIMessageChunk | Exception | None] = Queue(maxsize=64)
        gone = threading.Event()
        threading.Thread(target=self._produce, args=(messages, chunks, gone), name="chat-model", daemon=True).start()
        finish, length = None, 0
        try:
            while (chunk := _next(chunks, until)) is not None:
                if isinstance(chunk, Exception):
                    raise _no_reply(chunk) from None
                finish = chunk.response_metadata.get("finish_reason") or finish
                _add(usage, chunk)
                text = _text(chunk)
                length += len(text)
                if length > self._max_chars:
                    raise NoReply("回复超过上限")
                if text:
                    yield text
        finally:
            gone.set()
        if finish != "stop":
            raise NoReply(f"回复没有完整结束（{finish}）" if finish in ("length", "content_filter") else "回复没有完整结束")
        if not length:
            raise NoReply("回复是空的")

    def _produce(self, messages: Messages, chunks: Queue[Any], gone: threading.Event) -> None:
        def put(item: Any) -> None:
            while not gone.is_set():
                with contextlib.suppress(Full):
                    chunks.put(item, timeout=_POLL)
                    return

        try:
            with traced(self._tracing):
                for chunk in self._llm.stream(list(messages), config={"callbacks": self._callbacks}):
                    if gone.is_set():
                        return
                    put(chunk)
            put(None)
        except Exception as problem:  # crosses to the asking thread, where it becomes NoReply
            put(problem)


def _next(chunks: Queue[AIMessageChunk | Exception | None], until: float) -> AIMessageChunk | Exception | None:
    try:
        return chunks.get(timeout=max(until - time.monotonic(), 0.001))
    except Empty:
        raise NoReply("超过时限") from None


def _text(chunk: AIMessageChunk) -> str:
    if chunk.tool_call_chunks:
        raise NoReply("回复是工具调用")
    if chunk.additional_kwargs.get("refusal"):
        raise NoReply("模型拒绝回答")
    text = chunk.text
    if "\ufffd" in text:
        raise NoReply("回复的编码不对")
    return text


def _add(usage: Usage, chunk: AIMessageChunk) -> None:
    if chunk.usage_metadata:
        usage.input_tokens += chunk.usage_metadata["input_tokens"]
        usage.output_tokens += chunk.usage_metadata["output_tokens"]


def _no_reply(problem: Exception) -> NoReply:
    """The kind of failure, never its words: those may quote the request, headers included."""
    status = getattr(problem, "status_code", None)
    if isinstance(status, int):
        return NoReply(f"HTTP {status}", may_pass=status in _PASSING)
    name = type(problem).__name__
    return NoReply(name, may_pass=name == "APIConnectionError")
