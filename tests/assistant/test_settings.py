from pathlib import Path

import pytest

from assistant.errors import InvalidSettings
from assistant.settings import load_settings


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('port = 8000\nindex_dir = "/tmp/a"\n', encoding="utf-8")
    settings = load_settings({"JIEBEI_CONFIG": str(file), "JIEBEI_PORT": "9000"})
    assert (settings.port, settings.index_dir) == (9000, "/tmp/a")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"JIEBEI_PROT": "1"}, "prot"),
        ({"JIEBEI_PORT": "abc"}, "整数"),
        ({"JIEBEI_PORT": "0"}, "大于 0"),
        ({"JIEBEI_CONFIG": "/nowhere.toml"}, "不存在"),
    ],
)
def test_a_setting_that_cannot_work_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSettings, match=words):
        load_settings(environ)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("port = ", encoding="utf-8")
    with pytest.raises(InvalidSettings, match=str(file)):
        load_settings({"JIEBEI_CONFIG": str(file)})


def test_without_a_chat_model_there_is_none() -> None:
    assert load_settings({}).chat is None


def test_a_preset_is_enough(tmp_path: Path) -> None:
    chat = load_settings({"JIEBEI_CHAT_PRESET": "deepseek", "JIEBEI_CHAT_API_KEY": "sk-CANARY"}).chat
    assert chat is not None
    assert (chat.model, chat.base_url) == ("deepseek-chat", "https://api.deepseek.com/v1")


def test_three_settings_reach_any_endpoint() -> None:
    environ = {"JIEBEI_CHAT_MODEL": "m", "JIEBEI_CHAT_BASE_URL": "http://127.0.0.1:1/v1", "JIEBEI_CHAT_API_KEY": "sk-CANARY"}
    settings = load_settings(environ)
    assert settings.chat is not None
    assert settings.chat.api_key == "sk-CANARY"
    assert "sk-CANARY" not in repr(settings) + repr(settings.chat)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"JIEBEI_CHAT_MODEL": "m"}, "chat_base_url"),
        ({"JIEBEI_CHAT_MODEL": "m", "JIEBEI_CHAT_BASE_URL": "localhost:1"}, "chat_base_url"),
        ({"JIEBEI_CHAT_PRESET": "vllm"}, "chat_model"),
        ({"JIEBEI_CHAT_PRESET": "gpt"}, "deepseek"),
        ({"JIEBEI_CHAT_WHEN": "never"}, "unless_certain"),
        ({"JIEBEI_TRACING": "all"}, "langfuse"),
    ],
)
def test_half_a_chat_model_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSettings, match=words):
        _ = load_settings(environ).chat


def test_a_key_of_the_wrong_kind_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("chat_api_key = 12345678\n", encoding="utf-8")
    with pytest.raises(InvalidSettings) as problem:
        load_settings({"JIEBEI_CONFIG": str(file)})
    assert "12345678" not in str(problem.value)
