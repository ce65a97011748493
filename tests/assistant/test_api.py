"""The HTTP door: the same Answer as in Python, and one clear JSON sentence for everything else."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from assistant.api import MAX_BODY_BYTES, SECURITY_HEADERS, Door, create_api
from tests.assistant.fake_bot import DOCUMENT_TEXT, FakeBot, serving

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def bot() -> FakeBot:
    return FakeBot()


@pytest.fixture(scope="module")
def client(bot: FakeBot) -> Iterator[httpx.Client]:
    with serving(create_api(bot)) as url, httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
        yield client


def assert_error(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code
    assert error["message"].endswith(("。", "json。", "…"))
    assert "Traceback" not in response.text
    assert "/etc/passwd" not in response.text
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_ask_returns_the_answer_and_echoes_the_id(client: httpx.Client, bot: FakeBot) -> None:
    turns = [{"role": "user", "content": "你好"}]
    response = client.post("/v1/ask", json={"question": "额度怎么没了", "history": turns, "id": "q7"})
    value = response.json()
    assert response.status_code == 200
    assert value["id"] == "q7"
    assert value == json.loads(json.dumps(bot.ask("额度怎么没了").to_dict())) | {"id": "q7"}
    assert "额度突然没有" in response.text, "Chinese is readable as it stands"
    assert turns in bot.histories
    assert client.post("/v1/ask", json={"question": "额度怎么没了"}).json()["id"] == "a1"


def test_stream_sends_sentences_then_the_answer(client: httpx.Client) -> None:
    response = client.post("/v1/ask/stream", json={"question": "额度怎么没了", "id": "q8"})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [block.split("\n", 1) for block in response.text.strip().split("\n\n")]
    assert [name for name, _ in events] == ["event: sentence", "event: sentence", "event: answer"]
    last = json.loads(events[-1][1].removeprefix("data: "))
    assert last["id"] == "q8"
    assert json.loads(events[0][1].removeprefix("data: ")) == last["sentences"][0]


def test_a_stream_that_breaks_ends_with_an_error_event(client: httpx.Client) -> None:
    text = client.post("/v1/ask/stream", json={"question": "中断"}).text
    assert text.rstrip().split("\n")[-2] == "event: error"
    assert "/etc/passwd" not in text


def test_health_and_documents(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "index_version": "v1"}
    value = client.get("/v1/documents/limit").json()
    assert value["text"] == DOCUMENT_TEXT
    assert set(value) == {"id", "title", "path", "text", "source_type", "publisher", "date", "url", "caution"}
    for missing in ("nothing", "../limit", "a/b", "%2e%2e%2fetc%2fpasswd", "%00"):
        assert_error(client.get(f"/v1/documents/{missing}"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "invalid_request"),
        (b"not json", 400, "invalid_json"),
        (b"[]", 422, "invalid_request"),
        (b'"text"', 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"question": 5}', 422, "invalid_request"),
        (b'{"question": null}', 422, "invalid_request"),
        (b'{"question": NaN}', 422, "invalid_request"),
        (b'{"question": "\\ud800"}', 422, "invalid_question"),
        (b'{"question": "a", "id": "\\ud800"}', 422, "invalid_request"),
        (b'{"question": "a", "id": 7}', 422, "invalid_request"),
        (b'{"question": "a", "history": "b"}', 422, "invalid_request"),
        (b'{"question": ' + b"9" * 5000 + b"}", 400, "invalid_request"),
        (b'{"question": "a", "history": ' + b"[" * 20000 + b"]" * 20000 + b"}", 400, "invalid_request"),
        ('{"question": "额度怎么没了"}'.encode("gbk"), 400, "invalid_request"),
        (b'{"question": "   "}', 422, "invalid_question"),
        (b'{"question": "' + "长".encode() * 300 + b'"}', 422, "invalid_question"),
        (b'{"question": "' + b"a" * MAX_BODY_BYTES + b'"}', 413, "too_large"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/ask", "/v1/ask/stream"])
def test_bad_bodies_get_one_sentence(client: httpx.Client, path: str, body: bytes, status: int, code: str) -> None:
    assert_error(client.post(path, content=body, headers=JSON), status, code)


def test_odd_history_is_taken_without_trouble(client: httpx.Client) -> None:
    body = b'{"question": "a\\udfff", "history": [1, null, {"role": "user", "content": "\\ud800"}, {"role": "system"}, NaN]}'
    assert client.post("/v1/ask", content=body, headers=JSON).status_code == 200


def test_plain_text_is_no_json(client: httpx.Client) -> None:
    response = client.post("/v1/ask", content=b'{"question": "a"}', headers={"content-type": "text/plain"})
    assert_error(response, 422, "invalid_request")


def test_a_chunked_body_is_counted_while_it_arrives(client: httpx.Client) -> None:
    response = client.post("/v1/ask", content=(b"x" * 1024 for _ in range(200)), headers=JSON)
    assert_error(response, 413, "too_large")


def test_a_hundred_megabytes_are_turned_away_unread(client: httpx.Client) -> None:
    started = time.monotonic()
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as connection:
        connection.sendall(b"POST /v1/ask HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/ask", 405, "method_not_allowed"),
        ("PUT", "/v1/ask/stream", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("DELETE", "/v1/documents/limit", 405, "method_not_allowed"),
        ("POST", "/v1/nothing", 404, "not_found"),
        ("GET", "/v2", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("POST", "/gradio_api/upload", 404, "not_found"),
    ],
)
def test_wrong_routes_and_methods(client: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    assert_error(client.request(method, path), status, code)


def test_an_unexpected_failure_says_nothing_about_the_inside(client: httpx.Client) -> None:
    assert_error(client.post("/v1/ask", json={"question": "坏掉"}), 500, "internal")


def test_every_response_carries_the_security_headers(client: httpx.Client) -> None:
    for path in ("/healthz", "/openapi.json"):
        headers = client.get(path).headers
        assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "http" not in SECURITY_HEADERS["content-security-policy"]


def test_a_body_that_never_ends_is_given_up() -> None:
    app = Door(create_api(FakeBot()), body_seconds=0.3)
    with serving(app) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))) as connection:
        connection.sendall(b"POST /v1/ask HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{")
        connection.settimeout(5)
        reply = b""
        while "没有传完".encode() not in reply and (piece := connection.recv(4000)):  # headers and body may come apart
            reply += piece
    assert reply.startswith(b"HTTP/1.1 408")
    assert "没有传完".encode() in reply
