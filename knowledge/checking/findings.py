"""What a check has to say about one place of the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "note"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`path` is relative to the corpus, `line` counts from 1; a note informs, an error fails the build."""

    path: str
    line: int
    rule: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path} 第 {self.line} 行：[{self.rule}] {self.message}"
