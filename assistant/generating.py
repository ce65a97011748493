"""The answer by a chat model: written from the evidence alone, each sentence checked before it is shown.

What was shown stays. Where the model fails, or too little of what it says holds, the composed answer
takes over from the sentence that was reached.
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from assistant.answer import Mode, Sentence
from assistant.chat_model import ChatModel, Messages, NoReply, Usage
from assistant.claims import Ground, carried_by
from assistant.composing import Draft
from assistant.conversation import Turn
from assistant.evidence import Evidence, Line, lines
from assistant.markers import leading, resolve
from assistant.prompts import (
    ANSWER_REQUEST,
    MODEL_INTERRUPTED,
    MODEL_UNAVAILABLE,
    PASSAGE,
    PROMPT_VERSION,
    REWRITE_QUESTION,
    REWRITE_REQUEST,
    WRITE_ANSWER,
)
from assistant.risk import without_instructions
from knowledge.checking.figures import figures
from knowledge.passages import Passage
from knowledge.signals import read

CERTAIN_SCORE = 0.9
_CACHED_ANSWERS = 256
_REWRITE_SHARE = 0.3
_REWRITTEN_CHARS = 80
_TURNS_SENT = 6
_REPEATS = 0.7

_END = re.compile(r"[。！？!?]+[”’」』）)]*|\n+")
_OPENS_MARKER = "[［【〔"
_LONGEST_MARKER = 16
_DECORATION = re.compile(r"^(?:\s|[-*+#>•]+\s|\d{1,2}[.、）)](?!\d)|[”’」』）)])+|\*\*")
_THOUGHTS = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_WORD = re.compile(r"\w")

_logger = logging.getLogger(__name__)


IsNear = Callable[[str, Passage], bool]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A checked sentence and the lines of the passages that carry it."""

    sentence: Sentence
    used: dict[int, tuple[Line, ...]]


class Writer:
    """Writes answers with one chat model; safe to share between threads."""

    def __init__(self, model: ChatModel, *, seconds: float, unless_certain: bool = False) -> None:
        self._model = model
        self._seconds = seconds
        self._unless_certain = unless_certain
        self._answers: OrderedDict[tuple[str, ...], Draft] = OrderedDict()
        self._lock = threading.Lock()

    def deadline(self) -> float:
        """The moment by which everything asked of the model for one question must be there."""
        return time.monotonic() + self._seconds

    def standalone(self, question: str, turns: Sequence[Turn], composed: str, usage: Usage, *, until: float) -> str:
        """The follow-up as a question that stands alone; the `composed` one where the model has no better."""
        if not any(turn.role == "user" for turn in turns):
            return composed
        said = "\n".join(f"{'用户' if turn.role == 'user' else '助手'}：{turn.content}" for turn in turns[-_TURNS_SENT:])
        said, question = _data(said), _data(question)
        request = REWRITE_REQUEST.format(turns=said, question=question)
        until = min(until, time.monotonic() + self._seconds * _REWRITE_SHARE)
        try:
            written = "".join(self._model.stream([("system", REWRITE_QUESTION), ("human", request)], usage, until=until))
        except NoReply as problem:
            _logger.warning("question not rewritten: %s", problem.reason)
            return composed
        rewritten = _THOUGHTS.sub("", written).strip(' \n“”"')
        return rewritten if _stays_within(rewritten, f"{said}\n{question}") else composed

    def write(
        self,
        question: str,
        evidence: Evidence,
        composed: Draft,
        usage: Usage,
        *,
        index_version: str,
        until: float,
        is_near: IsNear = lambda text, passage: True,
    ) -> Generator[Sentence, None, tuple[Draft, Mode]]:
        """Yields each sentence once it is checked; returns them all, and whose they are.

        `is_near` says by the meaning of a sentence whether it can rest on a passage.
        """
        opening = tuple(itertools.takewhile(lambda sentence: not sentence.markers, composed.sentences))
        if self._unless_certain and evidence.is_exact and min(item.score for item in evidence.answers) >= CERTAIN_SCORE:
            yield from composed.sentences
            return composed, "composed"
        # A follow-up is answered from passages that its words alone do not tell.
        passages = tuple(item.passage.id for item in evidence.passages)
        key = (index_version, PROMPT_VERSION, self._model.identity, question, *passages, str(evidence.is_exact))
        known = self._recall(key)
        if known is not None:
            usage.cached = 1
            yield from known.sentences
            return known, "model"
        yield from opening
        claims: list[_Claim] = []
        try:
            is_whole = yield from self._claims(question, evidence, usage, claims, until=until, is_near=is_near)
        except NoReply as problem:
            _logger.warning("answer not written by the model: %s", problem.reason)
            is_whole = False
        draft = _draft(opening, claims, composed)
        if is_whole:
            self._remember(key, draft)
            return draft, "model"
        rest = [sentence for sentence in composed.sentences if sentence.markers and not _is_said(sentence, claims)]
        if claims and rest:
            rest = [Sentence(MODEL_INTERRUPTED), *rest]
        elif not claims:
            rest = [*rest, Sentence(MODEL_UNAVAILABLE)]
        yield from rest
        used = {marker: (*draft.used.get(marker, ()), *taken) for marker, taken in composed.used.items()}
        return Draft((*draft.sentences, *rest), composed.steps, draft.used | used), "composed" if rest else "model"

    def _claims(
        self, question: str, evidence: Evidence, usage: Usage, claims: list[_Claim], *, until: float, is_near: IsNear
    ) -> Generator[Sentence, None, bool]:
        """Adds what holds to `claims`, yields it, and returns whether that is an answer."""
        written = 0
        with closing(self._model.stream(_request(question, evidence), usage, until=until)) as pieces:  # type: ignore[type-var]
            for raw in sentences_of(pieces):
                claim, forged = check(raw, evidence, is_near)
                written += 1
                usage.forged_markers += forged
                if claim is None:
                    usage.dropped_sentences += 1
                    if written == 1:
                        return False  # without the answer itself, the reasons are of no use
                elif all(claim.sentence.text != other.sentence.text for other in claims):
                    claims.append(claim)
                    yield claim.sentence
        return bool(claims) and 2 * len(claims) >= written

    def _recall(self, key: tuple[str, ...]) -> Draft | None:
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def _remember(self, key: tuple[str, ...], draft: Draft) -> None:
        with self._lock:
            self._answers[key] = draft
            while len(self._answers) > _CACHED_ANSWERS:
                self._answers.popitem(last=False)


def sentences_of(pieces: Iterable[str]) -> Iterator[str]:
    """The sentences of a text that comes in pieces, each as soon as it and its markers are there."""
    text = ""
    for piece in pieces:
        text = _THOUGHTS.sub("", text + piece, count=1)
        if text.lstrip().startswith("<think>") or "<think>".startswith(text.lstrip() or "."):
            continue
        text = text[leading(text) :]  # a marker that came after its sentence had gone
        while (end := _sentence_end(text)) is not None:
            if _WORD.search(text[:end]):
                yield text[:end]
            text = text[end:]
            text = text[leading(text) :]
    if _WORD.search(text):
        yield text


def _sentence_end(text: str) -> int | None:
    """Where the first sentence ends, its markers included; None while more of it may come."""
    match = _END.search(text)
    if match is None:
        return None
    end = match.end()
    if resolve(text[:end], 0).forged:
        return end
    rest = text[end:]
    after = leading(rest)
    if after:
        return end + after
    waiting = rest.lstrip()
    might_mark = not waiting or (waiting[0] in _OPENS_MARKER and len(waiting) < _LONGEST_MARKER)
    return None if might_mark and "\n" not in match.group() else end


def check(raw: str, evidence: Evidence, is_near: IsNear = lambda text, passage: True) -> tuple[_Claim | None, int]:
    """The sentence with the citations it needs, or None where they do not carry it; and its forged markers."""
    marked = resolve(raw, len(evidence.passages))
    text = re.sub(r"\s+", " ", _DECORATION.sub("", marked.text)).strip()
    if not marked.markers or not _WORD.search(text):
        return None, marked.forged
    text += "" if text[-1] in "。！？!?”’」』）)" else "。"
    markers = marked.markers
    if not _holds(text, markers, evidence):
        return None, marked.forged
    if not any(is_near(text, evidence.passages[marker - 1].passage) for marker in markers):
        return None, marked.forged
    for marker in reversed(marked.markers):  # no citation that the sentence can do without
        fewer = tuple(other for other in markers if other != marker)
        if fewer and _holds(text, fewer, evidence):
            markers = fewer
    used = {marker: carried_by(text, lines(evidence.passages[marker - 1].passage)) for marker in markers}
    return _Claim(Sentence(text, markers), used), marked.forged


def _holds(text: str, markers: Sequence[int], evidence: Evidence) -> bool:
    ground = Ground([evidence.passages[marker - 1].passage for marker in markers])
    return next(ground.faults(text), None) is None


def _draft(opening: Sequence[Sentence], claims: Sequence[_Claim], composed: Draft) -> Draft:
    """What the model said, with the composed steps."""
    steps = {step.text for step in composed.steps}
    used = {marker: tuple(line for line in taken if line.text in steps) for marker, taken in composed.used.items()}
    for claim in claims:
        for marker, taken in claim.used.items():
            used[marker] = (*used.get(marker, ()), *taken)
    kept = {marker: taken for marker, taken in used.items() if taken}
    return Draft((*opening, *(claim.sentence for claim in claims)), composed.steps, kept)


def _is_said(sentence: Sentence, claims: Sequence[_Claim]) -> bool:
    """Whether what was shown already says this."""
    said = "".join(claim.sentence.text for claim in claims)
    pairs = {sentence.text[place : place + 2] for place in range(len(sentence.text) - 1)}
    return bool(said) and sum(pair in said for pair in pairs) >= _REPEATS * len(pairs)


def _request(question: str, evidence: Evidence) -> Messages:
    passages = "\n\n".join(
        PASSAGE.format(number=number, heading=_data(item.passage.heading), text=_data(item.passage.text))
        for number, item in enumerate(evidence.passages, start=1)
    )
    return [("system", WRITE_ANSWER), ("human", ANSWER_REQUEST.format(passages=passages, question=_data(question)))]


def _data(text: str) -> str:
    """Text that cannot close the element it stands in."""
    return text.replace("<", "‹").replace(">", "›").replace('"', "”")


def _stays_within(rewritten: str, said: str) -> bool:
    """Whether the rewritten question is one, and brings in no figure, product or matter of its own."""
    if not _WORD.search(rewritten) or len(rewritten) > _REWRITTEN_CHARS or "\n" in rewritten:
        return False
    if without_instructions(rewritten) != rewritten:
        return False
    ours, theirs = read(rewritten), read(said)
    vouched = {figure.normal for figure in figures(said)}
    return (
        ours.products <= theirs.products | {"借呗"}
        and len(ours.words & theirs.words) * 2 >= len(ours.words)
        and all(figure.normal in vouched for figure in figures(rewritten))
    )
