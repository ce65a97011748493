"""The only reader of the settings file and of the environment. Unknown keys are errors.

Each field is a key of the TOML file and, in capitals after `JIEBEI_`, a variable of the
environment; the environment wins.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import platformdirs

from assistant.errors import InvalidSettings
from knowledge.settings import EmbeddingSettings, KnowledgeSettings, shipped

APP = "jiebei-limit-assistant"
_PREFIX = "JIEBEI_"
_CONFIG_VARIABLE = "JIEBEI_CONFIG"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a person can set.

    `corpus`: folders whose documents are searched; the shipped one when empty.
    `extra_corpus`: a folder searched besides those. `index_dir`: where the index lives.
    `model`: "shipped", or a folder or name of a sentence-transformers model on this machine.
    `threads`: cores the embedding may use. `max_question_chars`: longer questions are turned away.
    """

    corpus: str = ""
    extra_corpus: str = ""
    index_dir: str = ""
    model: str = "shipped"
    threads: int = 2
    host: str = "127.0.0.1"
    port: int = 7860
    max_question_chars: int = 2000

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
        elif isinstance(value, str):
            checked[key] = value
        else:
            raise InvalidSettings(f"{place} 里的 {key} 应是文字，现在是 {value!r}。")
    return checked
