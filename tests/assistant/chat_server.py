"""An OpenAI-compatible endpoint that fails in every way one can, or says what it is told to.

The first part of the path names what it does: http://127.0.0.1:PORT/cut/v1
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# refused and DNS need no server: see test_generating.
FAULTS = (
    "401", "429", "500", "html", "empty", "no_choices", "bad_json", "error_midway", "cut", "hang", "hang_midway", "drip", "huge",
    "charset", "reasoning", "tool_call", "refusal", "no_headers",
)  # fmt: skip
DEFAULT_REPLY = "借呗额度没有了，一般是贷款机构重新评估的结果[1]。借呗额度恢复没有公布的时间[2]。"
_HELD_SECONDS = 20.0


class ChatServer:
    """The server's address, what it should say, and every request body it got."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reply: Callable[[str], str] = lambda _: DEFAULT_REPLY
        self.pause = 0.0
        self.requests: list[dict[str, Any]] = []
        self.sent: list[tuple[float, str]] = []
        self.released = threading.Event()

    def url(self, behaviour: str = "ok") -> str:
        return f"http://127.0.0.1:{self.port}/{behaviour}/v1"


@contextlib.contextmanager
def serving_chat() -> Iterator[ChatServer]:
    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.chat = chat = ChatServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        chat.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    chat: ChatServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.chat.requests.append(body)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._behave(self.path.split("/")[1], body)
        self.close_connection = True

    def _behave(self, name: str, body: dict[str, Any]) -> None:
        hold = self.chat.released.wait
        if name == "ok":
            self._say(self.chat.reply(body["messages"][-1]["content"]))
        elif name in ("401", "429", "500"):
            self._head(int(name), "application/json" if name != "500" else "text/html")
            self._write(b"<html>nginx</html>" if name == "500" else b'{"error":{"message":"key sk-CANARY-KEY is wrong"}}')
        elif name == "html":
            self._head(200, "text/html")
            self._write(b"<html>login</html>")
        elif name == "no_headers":
            hold(0.1)
        elif name == "hang":
            hold(_HELD_SECONDS)
        else:
            self._head(200)
            self._stream_badly(name, hold)

    def _stream_badly(self, name: str, hold: Callable[[float], bool]) -> None:
        start = DEFAULT_REPLY[:-8]
        if name == "no_choices":
            self._write(_event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}) + _DONE)
        elif name == "bad_json":
            self._write(_chunk(start) + b'data: {"id": 1, "cho\n\n')
        elif name == "error_midway":
            self._write(_chunk(start) + b'data: {"error":{"message":"overloaded"}}\n\n')
        elif name == "cut":
            self._write(_chunk(start))
        elif name == "hang_midway":
            self._write(_chunk(start))
            hold(_HELD_SECONDS)
        elif name == "drip":
            for character in DEFAULT_REPLY * 3:
                self._write(_chunk(character))
                if hold(0.3):
                    return
        elif name == "huge":
            for _ in range(3000):
                self._write(_chunk("大" * 200))
            self._write(_chunk("", "stop") + _DONE)
        elif name == "charset":
            said = _chunk(DEFAULT_REPLY).decode()
            self._write(json.dumps(json.loads(said[6:]), ensure_ascii=False).join(["data: ", "\n\n"]).encode("gbk"))
            self._write(_chunk("", "stop") + _DONE)
        elif name == "reasoning":
            self._write(_delta({"reasoning_content": DEFAULT_REPLY}) + _chunk("", "stop") + _DONE)
        elif name == "tool_call":
            call = {"index": 0, "id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}
            self._write(_delta({"tool_calls": [call]}) + _chunk("", "tool_calls") + _DONE)
        elif name == "refusal":
            self._write(_chunk("抱歉，我无法回答这个问题。") + _chunk("", "stop") + _DONE)

    def _say(self, text: str) -> None:
        self._head(200)
        for place in range(0, len(text), 3):
            piece = text[place : place + 3]
            self._write(_chunk(piece))
            self.chat.sent.append((time.monotonic(), piece))
            time.sleep(self.chat.pause)
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        last = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
        self._write(_chunk("", "stop") + _event(last) + _DONE)

    def _head(self, status: int, content_type: str = "text/event-stream") -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("connection", "close")
        self.end_headers()

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()


_DONE = b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _delta(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def _chunk(text: str, finish: str | None = None) -> bytes:
    return _delta({"content": text}, finish)
