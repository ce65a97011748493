"""What came before, and what it makes of a question. History is untrusted text from the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.chinese_text import scrub

_TURNS_KEPT = 10
_CHARS_KEPT = 500


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the history. `role` is "user" or "assistant", nothing else gets this far."""

    role: str
    content: str


def read_history(history: Sequence[Any] | None) -> tuple[Turn, ...]:
    """The last turns that can be trusted to be turns; other roles and shapes are dropped."""
    turns = []
    for message in list(history or ())[-2 * _TURNS_KEPT :]:
        if not isinstance(message, Mapping):
            continue
        role, content = message.get("role"), message.get("content")
        if role in ("user", "assistant") and isinstance(content, str) and content.strip():
            turns.append(Turn(str(role), scrub(content)[:_CHARS_KEPT]))
    return tuple(turns[-_TURNS_KEPT:])


def standalone_question(question: str, history: Sequence[Turn]) -> str:
    """The question as it reads without the history."""
    return question
