"""The chat page on top of the HTTP API, in one process. The only importer of gradio.

The conversation is one piece of HTML that `assistant.page` writes: Gradio carries it to the browser
and events back, and never gets to interpret what a person or a document wrote.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read once, when gradio is imported

import gradio as gr
import uvicorn
from fastapi import FastAPI

from assistant import page
from assistant.answer import Answer, Sentence
from assistant.answering import Assistant
from assistant.api import create_api
from assistant.assembly import build_assistant
from assistant.errors import AssistantError, InvalidQuestion
from assistant.screening import mask
from assistant.settings import Settings
from knowledge.chinese_text import scrub
from knowledge.indexing import Progress

_FONTS = ("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "system-ui", "sans-serif")
_MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")
# Far above the limit of a question, so that a long one is turned away in words instead of cut unseen.
_BOX_CHARS = 10_000
_AT_ONCE, _IN_QUEUE = 4, 64
_FAILED = "这次没能回答，问题还在输入框里，请稍后再试。"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answered question: what the next answer may look back on, and what the page shows of it."""

    question: str
    reply: str
    html: str


# What an event hands back to the page: the box's text, the exchanges so far, the conversation as HTML.
Update = tuple[Any, tuple[Exchange, ...], str]


def create_app(bot: Assistant) -> FastAPI:
    """The API with the chat page at "/"."""
    app: FastAPI = gr.mount_gradio_app(
        create_api(bot),
        _blocks(bot),
        path="/",
        show_error=False,
        max_file_size="1kb",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=gr.themes.Base(font=_FONTS, font_mono=_MONO),
        head=page.head(),
    )
    return app


def serve(settings: Settings, host: str, port: int, progress: Progress, warn: Callable[[str], None]) -> None:
    """Serve until interrupted; raises AssistantError where the address cannot be used."""
    with _listening_socket(host, port) as listening:  # before the index: a taken port should not cost a build
        bot = build_assistant(settings, progress, warn)
        app = create_app(bot)
        config = uvicorn.Config(app, access_log=False, log_level="warning", server_header=False, timeout_graceful_shutdown=3)
        _Server(config, _address(host, port), _stop_event(app)).run(sockets=[listening])


def answering(bot: Assistant, question: str | None, exchanges: tuple[Exchange, ...]) -> Iterator[Update]:
    """The page after each sentence. A question that fails goes back into the box; nothing else changes."""
    question = question or ""
    shown = [exchange.html for exchange in exchanges]
    screened = mask(scrub(question))
    visible = screened.question if screened.masked else question  # as typed, where nothing needs hiding
    sentences: list[Sentence] = []
    try:
        if visible.strip():
            yield "", exchanges, page.conversation([*shown, page.waiting(visible)])
        for event in bot.stream(question, _history(exchanges)):
            if isinstance(event, Answer):
                html = page.turn(len(exchanges) + 1, visible, event, bot.document)
                exchanges = (*exchanges, Exchange(event.question, event.text, html))
                yield gr.skip(), exchanges, page.conversation([*shown, html])
            else:
                sentences.append(event)
                yield gr.skip(), exchanges, page.conversation([*shown, page.waiting(visible, sentences)])
    except InvalidQuestion as problem:
        yield question, exchanges, page.conversation([*shown, page.notice(str(problem))])
    except Exception as problem:
        _logger.error("answer failed: %s", type(problem).__name__, exc_info=True)
        yield question, exchanges, page.conversation([*shown, page.notice(_FAILED)])


def _blocks(bot: Assistant) -> Any:
    def ask(question: str | None, exchanges: tuple[Exchange, ...]) -> Iterator[Update]:
        yield from answering(bot, question, exchanges)

    def ask_suggested(exchanges: tuple[Exchange, ...], event: gr.EventData) -> Iterator[Update]:
        question = event._data.get("question") if isinstance(event._data, dict) else None
        yield from answering(bot, question if isinstance(question, str) else "", exchanges)

    def clear() -> tuple[tuple[Exchange, ...], str]:
        return (), page.conversation([])

    with gr.Blocks(title=page.TITLE, analytics_enabled=False, fill_width=True) as blocks:
        exchanges = gr.State(())
        gr.HTML(page.header(), elem_id="header", apply_default_css=False)
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="talk"):
                conversation = gr.HTML(
                    page.conversation([]), js_on_load=page.script(), elem_id="conversation", apply_default_css=False
                )
                box, clear_button = _composer()
            gr.HTML(page.reader(), elem_id="source-text", apply_default_css=False)
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        outputs = [box, exchanges, conversation]
        asked = box.submit(ask, [box, exchanges], outputs, **quiet)
        suggested = conversation.select(ask_suggested, [exchanges], outputs, **quiet)
        clear_button.click(clear, None, [exchanges, conversation], cancels=[asked, suggested], **quiet)
    blocks.queue(default_concurrency_limit=_AT_ONCE, max_size=_IN_QUEUE, api_open=False)
    return blocks


def _composer() -> tuple[gr.Textbox, gr.Button]:
    with gr.Column(elem_id="composer"):
        box = gr.Textbox(
            label="你的问题",
            show_label=False,
            container=False,
            placeholder="写下你的问题",
            lines=1,
            max_lines=6,
            max_length=_BOX_CHARS,
            submit_btn="提问",
            elem_id="question",
            html_attributes=gr.InputHTMLAttributes(enterkeyhint="send", autocomplete="off", lang="zh-CN"),
        )
        with gr.Row(elem_id="small-print"):
            gr.HTML("<p>请不要输入身份证号、银行卡号、验证码；写了也会先遮住。</p>", apply_default_css=False)
            clear_button = gr.Button("清空对话", size="sm", elem_id="clear")
    return box, clear_button


def _history(exchanges: tuple[Exchange, ...]) -> list[dict[str, str]]:
    turns = []
    for exchange in exchanges:
        turns.append({"role": "user", "content": exchange.question})
        turns.append({"role": "assistant", "content": exchange.reply})
    return turns


class _Server(uvicorn.Server):
    """Says where the page is once it can be opened, and lets open pages go before it stops."""

    def __init__(self, config: uvicorn.Config, address: str, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._page_address = address
        self._stopping = stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            print(f"打开 {self._page_address}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets=sockets)


def _stop_event(app: FastAPI) -> asyncio.Event:
    """What ends the request that Gradio holds for each open page; without it every stop waits and complains."""
    mounted = (getattr(route, "app", None) for route in app.routes)
    event: asyncio.Event = next(page_app.stop_event for page_app in mounted if isinstance(page_app, gr.routes.App))
    return event


def _address(host: str, port: int) -> str:
    """What to type into the browser of this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}"


def _listening_socket(host: str, port: int) -> socket.socket:
    try:
        if not 0 < port < 65536:  # the resolver would quietly take the remainder
            raise OverflowError
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, OverflowError, UnicodeError):
        raise AssistantError(f"地址 {host}、端口 {port} 用不了，请检查 --host 和 --port。") from None
    try:
        if os.name == "posix":  # elsewhere the option would let two programs share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as problem:
        listening.close()
        raise AssistantError(_why_not(host, port, problem)) from None
    return listening


def _why_not(host: str, port: int, problem: OSError) -> str:
    if problem.errno == errno.EADDRINUSE:
        return f"端口 {port} 已被别的程序占用，请关掉它，或换一个端口：assistant serve --port {port + 1}"
    if problem.errno == errno.EACCES:
        return f"没有权限使用端口 {port}，请换一个大于 1024 的端口。"
    return f"地址 {host}、端口 {port} 用不了，请检查 --host 和 --port。"
