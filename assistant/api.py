"""The HTTP door: the pipeline as JSON, and the middleware that every response passes, the page's too.

Whoever calls gets JSON: an Answer, or {"error": {"code", "message"}} with one clear sentence.
Question text is never logged.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.answer import Answer, Sentence
from assistant.answering import Assistant
from assistant.errors import AssistantError

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0
# Inline scripts and eval are what Gradio's page needs; nothing may come from, or go to, another host.
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; media-src 'self'; font-src 'self' data:; connect-src 'self'; form-action 'none'; "
        "object-src 'none'; frame-ancestors 'self'; base-uri 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "SAMEORIGIN",
}
# Gradio opens uploads, proxies and file routes to everyone. The page lives on these alone.
_GRADIO = "/gradio_api/"
_GRADIO_OPEN = ("queue/join", "queue/data", "heartbeat/", "cancel", "reset", "startup-events")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_logger = logging.getLogger(__name__)


class Ask(BaseModel):
    """A question; `id` comes back as the answer's id, `history` holds {"role", "content"} turns, oldest first."""

    question: Annotated[str, Field(examples=["借呗额度为什么突然没有了？"])]
    history: list[Any] | None = None
    id: Annotated[str, Field(max_length=200)] | None = None


class _Json(JSONResponse):
    """JSON in readable Chinese that survives half a surrogate pair: no input may turn an answer into a 500."""

    def render(self, content: Any) -> bytes:
        return _json(content).encode("utf-8", "replace")


class Door:
    """Raw ASGI around everything: body size and time limits, closed routes, security headers, no traceback.

    Bodies are read here, whole, before the application sees any of it: at 64 KB that is cheap, and it is the one
    place where a deadline holds for every route, Gradio's included.
    """

    def __init__(self, app: ASGIApp, *, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": _with_security(message.get("headers", ()))}
            await send(message)

        try:
            refusal, receive = await self._admit(scope, receive)
            await (refusal or self._app)(scope, receive, send_with_headers)
        except Exception as problem:
            if started:
                raise  # too late for an error body: the server cuts the connection instead
            _logger.error("request failed: %s", type(problem).__name__, exc_info=True)
            await _error(500, "internal", "服务出错了，请稍后再试。")(scope, receive, send_with_headers)

    async def _admit(self, scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
        path = scope["path"]
        if path.startswith(_GRADIO) and not path.removeprefix(_GRADIO).startswith(_GRADIO_OPEN):
            return _error(404, "not_found", "没有这个地址。"), receive
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            return _too_large(), receive
        if length in (b"", b"0") and b"transfer-encoding" not in headers:
            return None, receive
        try:
            async with asyncio.timeout(self._body_seconds):
                body = await _read_body(receive)
        except TimeoutError:
            return _error(408, "timeout", "请求内容迟迟没有传完，请重试。"), receive
        return (_too_large() if body is None else None), _replay(body or b"", receive)


def create_api(bot: Assistant) -> FastAPI:
    """The API alone; `assistant.web` puts the page on top of it."""
    # The interactive documentation of FastAPI loads its scripts from another host, so there is none.
    api = FastAPI(title="借呗额度助手", docs_url=None, redoc_url=None, default_response_class=_Json)
    api.add_middleware(Door)
    api.add_exception_handler(RequestValidationError, _on_invalid_request)
    api.add_exception_handler(HTTPException, _on_http_error)
    api.add_exception_handler(AssistantError, _on_assistant_error)

    @api.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok", "index_version": bot.index_version}

    @api.post("/v1/ask")
    async def ask(request: Ask) -> _Json:
        answer = await bot.aask(request.question, request.history)
        return _Json(_answer(answer, request))

    @api.post("/v1/ask/stream")
    async def ask_stream(request: Ask) -> StreamingResponse:
        events = bot.stream(request.question, request.history)
        first = await run_in_threadpool(next, events)  # what is wrong with the question shows here, as a 4xx
        return StreamingResponse(
            iterate_in_threadpool(_server_sent(first, events, request)),
            media_type="text/event-stream",
            headers={"cache-control": "no-store"},
        )

    @api.get("/v1/documents/{document_id:path}")
    def document(document_id: str) -> _Json:
        found = bot.document(document_id)
        if found is None:
            return _error(404, "not_found", "知识库里没有这篇文档。")
        fields = ("id", "title", "path", "text", "source_type", "publisher", "date", "url", "caution")
        return _Json({name: getattr(found, name) for name in fields})

    _close_other_methods(api)
    return api


def _close_other_methods(api: FastAPI) -> None:
    """404 and 405 as JSON for every path that is the API's: a page mounted on "/" would answer them otherwise."""
    for route in [route for route in api.routes if isinstance(route, APIRoute)]:
        allowed = sorted(route.methods or ())
        others = [method for method in _METHODS if method not in allowed]
        api.add_api_route(route.path, _wrong_method(", ".join(allowed)), methods=others, include_in_schema=False)
    api.add_api_route("/v1/{rest:path}", _no_such_route, methods=list(_METHODS), include_in_schema=False)


def _wrong_method(allowed: str) -> Any:
    def refuse() -> _Json:
        return _error(405, "method_not_allowed", f"这个地址只接受 {allowed} 请求。", {"allow": allowed})

    return refuse


def _no_such_route() -> _Json:
    return _error(404, "not_found", "没有这个地址。")


def _answer(answer: Answer, request: Ask) -> dict[str, Any]:
    return answer.to_dict() | ({} if request.id is None else {"id": request.id})


def _server_sent(first: Sentence | Answer, rest: Iterator[Sentence | Answer], request: Ask) -> Iterator[bytes]:
    try:
        yield _event(first, request)
        for event in rest:
            yield _event(event, request)
    except Exception as problem:  # the status line is long gone, so the reason travels as an event
        _logger.error("stream failed: %s", type(problem).__name__, exc_info=True)
        yield _lines("error", {"error": {"code": "internal", "message": "回答中断了，请重试。"}})


def _event(event: Sentence | Answer, request: Ask) -> bytes:
    if isinstance(event, Answer):
        return _lines("answer", _answer(event, request))
    return _lines("sentence", asdict(event))


def _lines(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {_json(data)}\n\n".encode("utf-8", "replace")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> _Json:
    return _Json({"error": {"code": code, "message": message}}, status_code=status, headers=headers)


def _too_large() -> _Json:
    return _error(413, "too_large", f"请求内容超过 {MAX_BODY_BYTES // 1024} KB，请写得短一些。")


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    """Which part of the body is wrong; what was sent is never echoed."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    field = next((part for part in problem["loc"][1:] if part in Ask.model_fields), None)
    if problem["type"] == "json_invalid":
        return _error(400, "invalid_json", "请求内容不是合格的 JSON。")
    if field == "question" and problem["type"] == "missing":
        return _error(422, "invalid_request", "请求里缺少 question。")
    message = {
        "question": "question 应是一段文字。",
        "history": 'history 应是列表，每项形如 {"role": "user", "content": "…"}。',
        "id": "id 应是不超过 200 字的文字。",
    }.get(str(field), '请求内容应是 JSON 对象，形如 {"question": "…"}，Content-Type 为 application/json。')
    return _error(422, "invalid_request", message)


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: ("not_found", "没有这个地址。"), 405: ("method_not_allowed", "这个地址不接受这种请求方法。")}
    code, message = codes.get(error.status_code, ("invalid_request", "请求内容不是合格的 UTF-8 JSON。"))
    return _error(error.status_code, code, message, dict(error.headers or {}))


async def _on_assistant_error(_: Request, error: Exception) -> Response:
    return _error(422, "invalid_question", str(error))


def _with_security(headers: Any) -> list[tuple[bytes, bytes]]:
    ours = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
    names = {name for name, _ in ours}
    return [*((name, value) for name, value in headers if name.lower() not in names), *ours]


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None once it is larger than allowed."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body over in one message, then whatever the connection still has to say."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
