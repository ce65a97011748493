"""An Assistant without model or index, on the real Answer values, and a server to put it behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import uvicorn

from assistant.answer import Answer, Citation, Refusal, Safety, Sentence
from assistant.answering import Assistant
from assistant.screening import screen
from knowledge.passages import Document

HOSTILE = (
    '<img src="http://example.com/x.png" onerror="window.hacked=1">'
    "<script>window.hacked=1</script>![x](http://example.com/leak)"
    '<form action="http://example.com"><input name="otp"></form>[点我](javascript:window.hacked=1)'
    '<div style="position:fixed;inset:0">${window.hacked=1}{{constructor}}</div> http://example.com/bare'
)
QUOTE = "额度突然没有，一般是重新评估后暂停了授信。\n\n- 打开页面，记下提示语。"
DOCUMENT_TEXT = f"""---
id: limit
title: 秘密标题
---

## 额度为什么没有了？
<!--
id: why
asks: [不该看见的问法]
-->
{QUOTE}

## 另一个问题？
<!-- asks: [也不该看见] -->
另一段文字，用来当上下文。
"""


def document(text: str = DOCUMENT_TEXT, *, id: str = "limit", title: str = "借呗额度变成0") -> Document:
    return Document(
        id=id, path=f"{id}.md", text=text, title=title, source_type="guidance", publisher="借呗额度助手", date="2026-11-23",
        review_by=None, url=None, caution=None, sections=(),
    )  # fmt: skip


def citation(marker: int = 1, of: Document | None = None, quote: str = QUOTE, **changes: Any) -> Citation:
    of = of or document()
    start = of.text.index(quote)
    made = Citation(
        marker=marker, passage_id=f"{of.id}#why", document=of.id, document_path=of.path, title=of.title,
        heading=("额度为什么没有了？",), quote=quote, start=start, end=start + len(quote), source_type="law",
        source="《征信业管理条例》第16条", publisher="国务院", date="2013-03-15", url="https://www.gov.cn/x", caution=None,
        score=0.9, signals={},
    )  # fmt: skip
    return replace(made, **changes)


def answer(question: str = "额度怎么没了", **changes: Any) -> Answer:
    made = Answer(
        id="a1", question=question, standalone_question=question, status="answered",
        sentences=(Sentence("额度突然没有，一般是重新评估后暂停了授信。", (1,)), Sentence("网上的说法要小心。", (2,))),
        citations=(
            citation(),
            citation(2, document(HOSTILE, id="article", title=HOSTILE), HOSTILE, source_type="user_article", source=None,
                     url="javascript:window.hacked=1", date=None, caution="自称虚构，只供对照。"),
        ),
        next_steps=(Sentence("打开页面，记下提示语。", (1,)),),
        follow_ups=("多久能恢复？",), index_version="v1", timings_ms={"total": 1.0},
    )  # fmt: skip
    return replace(made, **changes)


def refusal(question: str) -> Answer:
    refused = Refusal("no_evidence", "没有能可靠回答的内容。", ("怎么提高借呗额度？",))
    return Answer("a2", question, question, "refused", refusal=refused, index_version="v1")


def warning(question: str) -> Answer:
    message = "这很像骗局，先别付钱。"
    made = answer(question, status="safety", safety=Safety("scam", message))
    return replace(made, sentences=(Sentence(message), *made.sentences))


class FakeBot(Assistant):
    """Answers at once; what is asked decides the kind of answer."""

    def __init__(self) -> None:
        self.histories: list[list[Any]] = []

    @property
    def index_version(self) -> str:
        return "v1"

    def document(self, document_id: str) -> Document | None:
        return {"limit": document(), "article": document(HOSTILE, id="article", title=HOSTILE)}.get(document_id)

    def stream(self, question: str, history: Sequence[Any] | None = None) -> Iterator[Sentence | Answer]:
        text = screen(question, max_chars=200).question
        self.histories.append(list(history or ()))
        if "坏掉" in text:
            raise RuntimeError("内部细节 /etc/passwd")
        made = refusal(text) if "天气" in text else warning(text) if "骗" in text else answer(text)
        yield from made.sentences
        if "中断" in text:
            raise RuntimeError("内部细节 /etc/passwd")
        yield made


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """The app behind a real server on a free port of this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
