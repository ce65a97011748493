"""The answer without a model: sentences of the passages, word for word, the answering one first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assistant.answer import Sentence
from assistant.evidence import Evidence, Line, lines
from assistant.prompts import CLOSEST
from knowledge.signals import read

_STEPS = 3
# A question about a time or an amount wants the fact and its reason, not a page.
_BRIEF_SENTENCES = 2


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be said, and which lines of which passage it was taken from."""

    sentences: tuple[Sentence, ...]
    steps: tuple[Sentence, ...]
    used: dict[int, tuple[Line, ...]]


def compose(question: str, evidence: Evidence) -> Draft:
    """Answering passages whole (brief ones for a brief question), one sentence of each continuation, then steps."""
    is_brief = bool(read(question).concepts & {"howlong", "howmuch"}) or len(evidence.answers) > 1
    sentences = [] if evidence.is_exact else [Sentence(CLOSEST)]
    steps: list[Sentence] = []
    used: dict[int, list[Line]] = {}
    for marker, line in _statements(evidence, is_brief=is_brief):
        sentences.append(Sentence(line.text, (marker,)))
        used.setdefault(marker, []).append(line)
    for marker, line in _steps(evidence):
        if len(steps) < _STEPS and all(step.text != line.text for step in steps):
            steps.append(Sentence(line.text, (marker,)))
            used.setdefault(marker, []).append(line)
    return Draft(tuple(sentences), tuple(steps), {marker: tuple(taken) for marker, taken in used.items()})


def _statements(evidence: Evidence, *, is_brief: bool) -> Iterator[tuple[int, Line]]:
    for marker, ranked in enumerate(evidence.passages, start=1):
        statements = [line for line in lines(ranked.passage) if not line.is_step]
        is_continuation = marker > len(evidence.answers)
        wanted = 1 if is_continuation else _BRIEF_SENTENCES if is_brief else len(statements)
        yield from ((marker, line) for line in statements[:wanted])


def _steps(evidence: Evidence) -> Iterator[tuple[int, Line]]:
    """Steps of the answers, in turns, so that each question in the question gets its first one."""
    own = [
        [(marker, line) for line in lines(ranked.passage) if line.is_step] for marker, ranked in enumerate(evidence.passages, 1)
    ]
    answers, continuations = own[: len(evidence.answers)], own[len(evidence.answers) :]
    for place in range(_STEPS):
        for steps in answers:
            yield from steps[place : place + 1]
    if not any(answers):
        for steps in continuations:
            yield from steps[:_STEPS]
