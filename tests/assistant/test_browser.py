"""The page in a real browser: works, asks nobody else for anything, and runs nothing it was told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.assistant.fake_bot import HOSTILE, FakeBot, serving

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip

pytestmark = [
    pytest.mark.browser,
    # Gradio's queue keeps statistics with two pandas options that pandas has deprecated.
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}; apt-get install chromium"),
]


@pytest.fixture(scope="module")
def bot() -> FakeBot:
    return FakeBot()


@pytest.fixture(scope="module")
def address(bot: FakeBot) -> Iterator[str]:
    from assistant.web import create_app

    with serving(create_app(bot)) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


DESKTOP, PHONE = (1280, 800), (360, 740)
on_both = pytest.mark.parametrize("page", [DESKTOP, PHONE], ids=["desktop", "phone"], indirect=True)


@pytest.fixture
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """An open page; whatever it asked of another host, or complained about, fails the test."""
    width, height = getattr(request, "param", DESKTOP)
    context = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
    page = context.new_page()
    strangers: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda made: strangers.append(made.url) if not made.url.startswith((address, "data:")) else None)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.wait_for_selector(".welcome")
    yield page
    assert strangers == []
    assert complaints == []
    context.close()


def ask(page: Any, question: str, turn: int = 1) -> Any:
    page.fill("#question textarea", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(f".turn:not(.waiting) >> nth={turn - 1}")
    return page.locator(".turn").nth(turn - 1)


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@on_both
def test_a_question_is_answered_and_its_marker_opens_the_quote(page: Any) -> None:
    assert fits(page)
    turn = ask(page, "额度怎么没了")
    assert turn.locator(".answer .marker").all_inner_texts() == ["[1]", "[2]", "[1]"]
    assert page.input_value("#question textarea") == ""
    turn.locator(".marker").first.click()
    reader = page.locator(".reader.open")
    assert "".join(reader.locator("mark").all_inner_texts()).startswith("额度突然没有，一般是重新评估后暂停了授信。")
    assert reader.locator("mark").first.is_visible()
    assert "不该看见" not in reader.inner_text()
    assert "法律法规" in reader.inner_text()
    assert fits(page)
    page.keyboard.press("Escape")
    page.wait_for_selector(".reader:not(.open)", state="attached")
    assert page.evaluate("document.activeElement.textContent") == "[1]", "focus returns to where the reader came from"


def test_the_keyboard_alone_is_enough(page: Any) -> None:
    turn = ask(page, "额度怎么没了")
    turn.locator(".source").nth(1).focus()
    page.keyboard.press("Enter")
    assert "自称虚构" in page.locator(".reader.open").inner_text()


@on_both
def test_suggestions_ask_and_history_travels(page: Any, bot: FakeBot) -> None:
    page.locator(".welcome [data-ask]").first.click()
    page.wait_for_selector(".turn:not(.waiting)")
    page.locator(".turn [data-ask]").first.click()
    page.wait_for_selector(".turn:not(.waiting) >> nth=1")
    assert [turn["role"] for turn in bot.histories[-1]] == ["user", "assistant"]
    assert page.locator(".asked").nth(1).inner_text().endswith("多久能恢复？")
    page.click("#clear")
    page.wait_for_selector(".welcome")
    ask(page, "额度怎么没了")
    assert bot.histories[-1] == []


def test_a_refusal_offers_questions_that_have_answers(page: Any) -> None:
    turn = ask(page, "明天天气怎么样")
    assert "没有可靠依据" in turn.inner_text()
    assert turn.locator(".source").count() == 0
    turn.locator("[data-ask]").click()
    page.wait_for_selector(".turn:not(.waiting) >> nth=1")


@pytest.mark.parametrize(("question", "said"), [("长" * 201, "超过上限"), ("坏掉", "这次没能回答"), ("中断", "这次没能回答")])
def test_what_cannot_be_answered_stays_in_the_box(page: Any, question: str, said: str) -> None:
    ask(page, "额度怎么没了")
    page.fill("#question textarea", question)
    page.keyboard.press("Enter")
    page.wait_for_selector(".notice")
    assert said in page.inner_text(".notice")
    assert "/etc/passwd" not in page.content()
    assert page.input_value("#question textarea") == question
    assert page.locator(".turn").count() == 1
    assert fits(page)


@on_both
def test_hostile_text_is_only_text(page: Any) -> None:
    turn = ask(page, HOSTILE[:190])
    assert "<img src=" in turn.locator(".asked").inner_text()
    turn.locator(".source").nth(1).click()
    reader = page.locator(".reader.open")
    assert "<script>" in reader.locator("mark").inner_text()
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    own = ".log, .reader"
    assert page.locator(own).locator("img, form, input, iframe, script, audio, link, [style], [onerror]").count() == 0
    protocols = page.locator(own).locator("a").evaluate_all("links => links.map(link => link.protocol)")
    assert set(protocols) == {"https:"}
    assert fits(page)


def test_personal_data_is_masked_on_the_page(page: Any) -> None:
    turn = ask(page, "我的手机号13800138000额度没了")
    assert "13800138000" not in turn.inner_text()


def test_the_same_process_serves_the_api_and_closes_uploads(page: Any, address: str) -> None:
    api = page.request
    assert api.get(f"{address}/healthz").json()["index_version"] == "v1"
    assert api.get(f"{address}/v1/ask").status == 405
    assert api.get(f"{address}/v1/nothing").json()["error"]["code"] == "not_found"
    for closed in ("upload", "upload/", "file=/etc/passwd", "proxy=http://example.com", "component_server", "info"):
        assert api.post(f"{address}/gradio_api/{closed}", data="x").status == 404
    home = api.get(address)
    assert "frame-ancestors 'self'" in home.headers["content-security-policy"]
    assert home.headers["x-content-type-options"] == "nosniff"
