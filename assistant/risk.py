"""Scams, illicit wishes and crises, recognised in the question before anything is looked up.

The rules are data (`risks.toml`), reviewed line by line; this file only applies them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Literal

Urgency = Literal["low", "normal", "high"]

# Sentences that talk to a machine about its instructions say nothing about 借呗.
_INJECTION = re.compile(
    r"忽略.{0,8}(?:以上|上面|之前|上文|前面|所有|全部|指令|规则)|无视.{0,8}(?:指令|规则|设定)"
    r"|(?:你)?现在(?:起|开始)?你?(?:是|扮演)(?:一|DAN|dan|个|没有)|扮演|DAN模式|开发者模式|越狱|没有任何限制"
    r"|(?:你的|输出|打印|显示|泄露|透露|复述|重复|念出|说出).{0,6}系统提示|提示词"
    r"|system ?prompt|</?(?:system|assistant|user)>|新规则[:：]|原样重复|重复.{0,3}遍"
    r"|print your|base64|解码(?:后|并)"
    r"|(?:ignore|disregard|forget).{0,30}(?:instruction|rule|previous|prompt)|reply only|you are now|直接回复[“\"「]"
    r"|把以下.{0,8}当成|当作?(?:是)?(?:最新)?官方公告|输出(?:你的)?(?:配置|密钥|环境变量|指令)|api.?key",
    re.IGNORECASE,
)
# Of 2,900 dangers written for the project the head alone finds 82 in 100 from here on, and alarms one ordinary question
# in a hundred (`model/train_intents.py`, cross-validated); from 0.9 on it finds 75. With the rules it finds every danger
# of the development cases at either. A warning too many costs less than one too few.
_SURE = 0.8
# A clause ends at a mark of punctuation, at the end of an English sentence, and where a tag closes.
_CLAUSE = re.compile(r"(?:[^，。！？!?；;\n.>]|\.(?!\s))*(?:[，。！？!?；;\n>]|\.(?=\s))?")


@dataclass(frozen=True, slots=True)
class Risk:
    """A danger in the question: what to say first, where the evidence may come from, who should take over."""

    kind: str
    reply: str
    documents: frozenset[str] | None
    urgency: Urgency
    queue: str


@dataclass(frozen=True, slots=True)
class _Rule:
    wanted: tuple[re.Pattern[str], ...]
    unwanted: tuple[re.Pattern[str], ...]

    def matches(self, text: str) -> bool:
        return all(pattern.search(text) for pattern in self.wanted) and not any(pattern.search(text) for pattern in self.unwanted)


def recognise(question: str) -> Risk | None:
    """The first kind of risk whose rules match, the gravest kind first; None for a harmless question."""
    text = question.replace(" ", "")
    for risk, rules in _risks():
        if any(rule.matches(text) for rule in rules):
            return risk
    return None


def suspect(intents: Mapping[str, float]) -> Risk | None:
    """The risk that the intent head is sure of, where no rule matched; None where it is not sure."""
    kinds = {risk.kind: risk for risk, _ in _risks()}
    likely = {kind: intents.get(kind, 0.0) for kind in kinds}
    if sum(likely.values()) < _SURE:
        return None
    # A suspicion warns; what is answered after the warning stays with retrieval.
    return replace(kinds[max(likely, key=lambda kind: likely[kind])], documents=None)


def without_instructions(question: str) -> str:
    """The question without the clauses that try to instruct the assistant; empty when nothing else is left."""
    kept = [clause for clause in _CLAUSE.findall(question) if clause and not _INJECTION.search(clause)]
    return "".join(kept).strip(" ，。；\n") if _INJECTION.search(question) else question


@cache
def _risks() -> tuple[tuple[Risk, tuple[_Rule, ...]], ...]:
    values = tomllib.loads((files("assistant") / "risks.toml").read_text(encoding="utf-8"))
    return tuple(
        (
            Risk(kind, value["reply"], frozenset(value["documents"]), value["urgency"], value["queue"]),
            tuple(_Rule(_compiled(rule["all"]), _compiled(rule.get("none", []))) for rule in value["rules"]),
        )
        for kind, value in values.items()
    )


def _compiled(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)
