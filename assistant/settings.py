"""The only reader of the settings file and of the environment. Unknown keys are errors.

Each field is a key of the TOML file and, in capitals after `JIEBEI_`, a variable of the
environment; the environment wins.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

from assistant.errors import InvalidSettings
from knowledge.settings import EmbeddingSettings, KnowledgeSettings, shipped

APP = "jiebei-limit-assistant"
_PREFIX = "JIEBEI_"
_CONFIG_VARIABLE = "JIEBEI_CONFIG"
# Where the OpenAI-compatible endpoints live, and a model to start with ("" where only its owner can know).
_PRESETS = {
    "qwen": ("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen-plus"),
    "dashscope": ("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen-plus"),
    "deepseek": ("https://api.deepseek.com/v1", "deepseek-chat"),
    "zhipu": ("https://open.bigmodel.cn/api/paas/v4", "glm-4-flash"),
    "moonshot": ("https://api.moonshot.cn/v1", "moonshot-v1-8k"),
    "ollama": ("http://127.0.0.1:11434/v1", "qwen2.5:7b"),
    "vllm": ("http://127.0.0.1:8000/v1", ""),
    "llamacpp": ("http://127.0.0.1:8080/v1", "default"),
}
_CHOICES = {
    "chat_preset": ("", *_PRESETS),
    "chat_when": ("always", "unless_certain"),
    "tracing": ("", "langsmith", "langfuse", "otel"),
}
_SECRET = frozenset({"chat_api_key"})


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """What the chat model needs. `unless_certain`: no call where the composed answer is sure already."""

    model: str
    base_url: str
    api_key: str = field(default="", repr=False)
    deadline_seconds: int = 30
    max_tokens: int = 800
    unless_certain: bool = False
    tracing: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a person can set.

    `corpus`: folders whose documents are searched; the shipped one when empty.
    `extra_corpus`: a folder searched besides those. `index_dir`: where the index lives.
    `model`: "shipped", or a folder or name of a sentence-transformers model on this machine.
    `threads`: cores the embedding may use. `max_question_chars`: longer questions are turned away.
    `chat_…`: the chat model that writes the answers; without `chat_model` and `chat_preset` there is none.
    """

    corpus: str = ""
    extra_corpus: str = ""
    index_dir: str = ""
    model: str = "shipped"
    threads: int = 2
    host: str = "127.0.0.1"
    port: int = 7860
    max_question_chars: int = 2000
    chat_preset: str = ""
    chat_model: str = ""
    chat_base_url: str = ""
    chat_api_key: str = field(default="", repr=False)
    chat_when: str = "always"
    chat_deadline_seconds: int = 30
    chat_max_tokens: int = 800
    tracing: str = ""

    @property
    def chat(self) -> ChatSettings | None:
        """The chat model, or None for answers composed without one; raises InvalidSettings for half a setting."""
        if not self.chat_model and not self.chat_preset:
            return None
        base_url, model = _PRESETS.get(self.chat_preset, ("", ""))
        base_url, model = self.chat_base_url or base_url, self.chat_model or model
        if not base_url.startswith(("http://", "https://")):
            raise InvalidSettings("设置了 chat_model，还要设置 chat_base_url（http:// 或 https:// 开头），或用 chat_preset。")
        if not model:
            raise InvalidSettings(f"chat_preset={self.chat_preset} 还要设置 chat_model，写服务上的模型名。")
        return ChatSettings(
            model=model,
            base_url=base_url,
            api_key=self.chat_api_key,
            deadline_seconds=self.chat_deadline_seconds,
            max_tokens=self.chat_max_tokens,
            unless_certain=self.chat_when == "unless_certain",
            tracing=self.tracing,
        )

    @property
    def knowledge(self) -> KnowledgeSettings:
        """The part the knowledge layer needs, paths resolved."""
        corpus = Path(self.corpus).expanduser() if self.corpus else shipped("corpus")
        extra = (Path(self.extra_corpus).expanduser(),) if self.extra_corpus else ()
        index_dir = Path(self.index_dir).expanduser() if self.index_dir else platformdirs.user_data_path(APP) / "index"
        return KnowledgeSettings(
            index_dir=index_dir,
            corpus=(corpus, *extra),
            embedding=EmbeddingSettings(model=self.model, threads=self.threads),
        )


def settings_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the settings file is looked for; it need not exist."""
    chosen = environ.get(_CONFIG_VARIABLE)
    return Path(chosen).expanduser() if chosen else platformdirs.user_config_path(APP) / "settings.toml"


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from file and environment; raises InvalidSettings naming the key and its place."""
    path = settings_file(environ)
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            values = _checked(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidSettings(f"设置文件 {path} 读不了：{error}") from None
    elif environ.get(_CONFIG_VARIABLE):
        raise InvalidSettings(f"{_CONFIG_VARIABLE} 指向的 {path} 不存在。")
    from_environment = {
        key.removeprefix(_PREFIX).lower(): value
        for key, value in environ.items()
        if key.startswith(_PREFIX) and key != _CONFIG_VARIABLE
    }
    values |= _checked(from_environment, "环境变量 JIEBEI_…")
    return Settings(**values)


def _checked(values: Mapping[str, Any], place: str) -> dict[str, Any]:
    kinds = {field.name: type(field.default) for field in fields(Settings)}
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in kinds:
            raise InvalidSettings(f"{place} 里的设置 {key} 不认识；可用的有：{'、'.join(kinds)}。")
        if kinds[key] is int:
            try:
                checked[key] = int(value)
            except (TypeError, ValueError):
                raise InvalidSettings(f"{place} 里的 {key} 应是整数，现在是 {value!r}。") from None
            if checked[key] < 1:
                raise InvalidSettings(f"{place} 里的 {key} 应大于 0，现在是 {value!r}。")
        elif not isinstance(value, str):
            raise InvalidSettings(f"{place} 里的 {key} 应是文字" + ("。" if key in _SECRET else f"，现在是 {value!r}。"))
        elif value not in _CHOICES.get(key, (value,)):
            raise InvalidSettings(f"{place} 里的 {key} 应是 {'、'.join(filter(None, _CHOICES[key]))} 之一，现在是 {value!r}。")
        else:
            checked[key] = value
    return checked
