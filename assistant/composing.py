"""The answer without a model: sentences of the passages, word for word, the answering one first."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.answer import Sentence
from assistant.evidence import Evidence, Line, lines
from assistant.prompts import CLOSEST

_STEPS = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be said, and which lines of which passage it was taken from."""

    sentences: tuple[Sentence, ...]
    steps: tuple[Sentence, ...]
    used: dict[int, tuple[Line, ...]]


def compose(evidence: Evidence) -> Draft:
    """The best passage whole; from the others only their answering sentence; then up to three steps."""
    sentences = [] if evidence.is_exact else [Sentence(CLOSEST)]
    steps: list[Sentence] = []
    used: dict[int, list[Line]] = {}
    for marker, ranked in enumerate(evidence.passages, start=1):
        own = lines(ranked.passage)
        statements = [line for line in own if not line.is_step]
        for line in statements if marker == 1 else statements[:1]:
            sentences.append(Sentence(line.text, (marker,)))
            used.setdefault(marker, []).append(line)
        for line in (line for line in own if line.is_step):
            if len(steps) < _STEPS and (marker == 1 or len(steps) < 2) and all(step.text != line.text for step in steps):
                steps.append(Sentence(line.text, (marker,)))
                used.setdefault(marker, []).append(line)
    return Draft(tuple(sentences), tuple(steps), {marker: tuple(taken) for marker, taken in used.items()})
