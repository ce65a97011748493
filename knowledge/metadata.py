"""Front matter and section comments: YAML read as plain strings, with the line to mend in every message."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

import yaml

from knowledge.errors import DocumentError
from knowledge.passages import SOURCE_TYPES, SourceType

# The registry of sources is the one file that may be long.
_REGISTRY = "sources.yaml"
_MAX_CHARS = 16_000
_FAST_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PARTIAL_DATE = re.compile(r"\d{4}(?:-(?:0[1-9]|1[0-2]))?")


def mapping(text: str, name: str, first_line: int) -> dict[str, Any]:
    """YAML whose every scalar stays the string that was typed: 0571 is no octal, 2024-01-01 no date."""
    if len(text) > _MAX_CHARS and name.rpartition("/")[2] != _REGISTRY:
        raise DocumentError(name, f"文档头或注释有 {len(text)} 字，上限是 {_MAX_CHARS} 字。", first_line)
    try:
        value = _load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = first_line + (mark.line if mark else 0)
        raise DocumentError(name, "YAML 格式有误，常见原因是冒号、引号或缩进；含冒号的句子请加引号。", line) from None
    except (yaml.YAMLError, RecursionError):
        raise DocumentError(name, "YAML 格式有误或嵌套太深。", first_line) from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise DocumentError(name, "这里应当是“字段: 内容”的形式。", first_line)
    return value


def _load(text: str) -> Any:
    """Strings, lists and dicts; ten times as fast through libyaml, which however names the line after a mistake."""
    try:
        return yaml.load(text, Loader=_FAST_LOADER)  # noqa: S506 - a BaseLoader builds nothing else
    except yaml.YAMLError:
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506


def string(values: Mapping[str, Any], key: str, name: str, line: int) -> str | None:
    """A text field; None where it is missing or empty."""
    value = values.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise DocumentError(name, f"{key} 应当是一段文字。", line)
    return value.strip()


def strings(values: Mapping[str, Any], key: str, name: str, line: int) -> tuple[str, ...]:
    """A list of texts; empty where it is missing."""
    value = values.get(key)
    if value is None or value == "":
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DocumentError(name, f"{key} 应当是列表，例如 {key}: [一, 二]。", line)
    return tuple(item.strip() for item in value)


def source_type(value: Any, name: str, line: int) -> SourceType:
    """One of the known kinds of source."""
    for known in SOURCE_TYPES:
        if value == known:
            return known  # type: ignore[return-value]
    raise DocumentError(name, f"source_type 不能是 {value!r}，只能是 {'、'.join(SOURCE_TYPES)}。", line)


def date(value: Any, name: str, line: int) -> str | None:
    """A day as 2026-11-23; None where it is missing or empty."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _DATE.fullmatch(value) or not _is_on_the_calendar(value):
        raise DocumentError(name, f"日期 {value!r} 应写成 2026-11-23 的样子。", line)
    return value


def source_date(value: Any, name: str, line: int) -> str | None:
    """The date of a source, as exact as anybody knows it: 2025-03-14, 2025-03 or 2025."""
    if isinstance(value, str) and _PARTIAL_DATE.fullmatch(value):
        return value
    return date(value, name, line)


def _is_on_the_calendar(day: str) -> bool:
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        return False
    return True
