"""The guided self-check: a few tappable questions that lead from a symptom to its likely causes and steps.

The tree is data (`self_check.toml`). Where somebody stands in it is read from the conversation alone: the last
thing said to them was a step's question, and what they say now is one of its choices. Anything else leaves it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from assistant.conversation import Turn
from assistant.prompts import SELF_CHECK

_WANTED = re.compile(
    rf"^{SELF_CHECK}|自查|自检|一步步|排查|帮我(?:查|看|分析)(?:一?下)?(?:是)?(?:什么|啥)?(?:原因|问题|毛病)"
    r"|不知道是?(?:怎么回事|哪一?种|什么情况)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the self-check stands: a question with its choices, or the passages that a chosen one leads to."""

    ask: str = ""
    choices: tuple[str, ...] = ()
    passages: tuple[str, ...] = ()


def place_of(question: str, turns: Sequence[Turn]) -> Place | None:
    """The next place for what was said now; None for whoever is not in the self-check and does not ask for it."""
    steps = _steps()
    said = next((turn.content for turn in reversed(turns) if turn.role == "assistant"), "")
    here = next((step for step in steps.values() if step["ask"] in said), None)
    chosen = next((choice for choice in (here or {}).get("choices", ()) if choice["say"] == question.strip(" 。")), None)
    if chosen is not None:
        return _place(steps[chosen["next"]]) if "next" in chosen else Place(passages=tuple(chosen["passages"]))
    return _place(steps["start"]) if _WANTED.search(question) and len(question) <= 20 else None


def _place(step: Mapping[str, Any]) -> Place:
    return Place(step["ask"], tuple(choice["say"] for choice in step["choices"]))


@cache
def _steps() -> dict[str, Any]:
    return tomllib.loads((files("assistant") / "self_check.toml").read_text(encoding="utf-8"))
