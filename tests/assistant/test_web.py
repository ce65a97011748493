"""What the page does around an answer, without a browser: where it listens, and what an event hands back."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from assistant import web
from assistant.errors import AssistantError
from assistant.settings import Settings
from tests.assistant.fake_bot import FakeBot


def test_a_taken_port_is_one_sentence_before_anything_is_built() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AssistantError, match=f"端口 {port} 已被别的程序占用"):
            web.serve(Settings(index_dir="/nowhere"), "127.0.0.1", port, lambda *_: None, print)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70000), ("256.0.0.1", 7860), ("a" * 80, 7860), ("203.0.113.1", 7860)])
def test_an_impossible_address_is_one_sentence(host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", numeric_only(socket.getaddrinfo))
    with pytest.raises(AssistantError, match="用不了"):
        web.serve(Settings(), host, port, lambda *_: None, print)


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that turns out to be usable must fail the test, not serve for ever."""
    monkeypatch.setattr(web, "build_assistant", lambda *_: pytest.fail("the address was accepted"))


def numeric_only(real: Any) -> Any:
    """Names are not looked up in a test."""
    return lambda *args, flags=0, **kwargs: real(*args, flags=flags | socket.AI_NUMERICHOST, **kwargs)


def test_each_sentence_updates_the_page_and_the_last_update_keeps_the_exchange() -> None:
    updates = list(web.answering(FakeBot(), "额度怎么没了？", ()))
    assert updates[0][0] == "", "the box is cleared at once"
    assert ["waiting" in html for _, _, html in updates] == [True, True, True, False]
    (exchange,) = updates[-1][1]
    assert exchange.reply.startswith("额度突然没有")
    assert "额度怎么没了？" in updates[-1][2], "shown as it was typed"


def test_a_failure_changes_nothing_and_gives_the_question_back() -> None:
    (*_, (_, before, _)) = web.answering(FakeBot(), "额度怎么没了", ())
    for question in ("", "长" * 300, "坏掉", "\ud800"):
        box, exchanges, html = list(web.answering(FakeBot(), question, before))[-1]
        assert (box, exchanges) == (question, before)
        assert 'class="notice"' in html


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("name", "name")]
)
def test_the_printed_address_can_be_opened_on_this_machine(host: str, shown: str) -> None:
    assert web._address(host, 7860) == f"http://{shown}:7860"
