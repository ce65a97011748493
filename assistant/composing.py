"""The answer without a model: sentences of the passages, word for word, the answering one first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from assistant.answer import Sentence
from assistant.evidence import Evidence, Line, lines
from assistant.prompts import CANNOT_SEE, CLOSEST, CONTRADICTED
from knowledge.signals import read

_STEPS = 3
# A question about a time or an amount wants the fact and its reason, not a page.
_BRIEF_SENTENCES = 2
# Asked in one of these ways, a person wants that and nothing beside it.
_TO_THE_POINT = frozenset({"how", "can", "howlong", "howmuch", "condition", "same"})
_YES_OR_NO = re.compile(
    r"[吗嘛]|么[?？]?$|[不没](?=[\s，。？?！!]|$)|(能|会|可以|是|要|有|行|对|用|上|还|算)(?:不|没)\1|可不可以|能否|可否|是否|难道|是不是"
)
# Said to somebody who asked how or why, such an opening answers a question that was not put.
_VERDICT = re.compile(
    r"^(?:不一定|可能会?|有可能|没有|不会|不能|不可以|不行|可以|能|会|是的?|不是|不用|一般(?:可以|不会|不用|不能))，"
    r"(?!但|要看|除非|只是|因为|不过|\d{4}年|公开|网上).{8}"
)
_OWN_STATE = re.compile(
    r"[我俺咱].{0,16}(?:(?:了|通过|成功|恢复|到账|关闭|开通|结清|还清)(?:吗|没有?$|么)|了没|(?:是|有|能借|还有)多少|是不是(?:被|已))"
    r"|(?:借呗|额度).{0,4}(?:已经|是不是已?被?).{0,4}(?:关|停|冻|恢复|通过).{0,3}[吗没]"
)
_NEVER_OVERDUE = re.compile(
    r"(?:没有?|从未|从没|不曾|未曾|无)(?:过)?(?:任何)?逾期|没.{0,3}逾期过|(?:一直|每次|每期|都是?)(?:按时|准时|提前)"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be said, and which lines of which passage it was taken from."""

    sentences: tuple[Sentence, ...]
    steps: tuple[Sentence, ...]
    used: dict[int, tuple[Line, ...]]


def compose(question: str, evidence: Evidence) -> Draft:
    """Answering passages whole (brief ones for a brief question), one sentence of each continuation, then steps."""
    sentences: list[Sentence] = []
    steps: list[Sentence] = []
    used: dict[int, list[Line]] = {}
    for marker, line in _statements(question, evidence):
        sentences.append(Sentence(line.text, (marker,)))
        used.setdefault(marker, []).append(line)
    sentences += _contradiction(evidence, used)
    for marker, line in _steps(evidence):
        is_ruled_out = "逾期" in line.text and _NEVER_OVERDUE.search(question)
        if len(steps) < _STEPS and not is_ruled_out and all(step.text != line.text for step in steps):
            steps.append(Sentence(line.text, (marker,)))
            used.setdefault(marker, []).append(line)
    opening = _opening(question, evidence, sentences)
    return Draft((*opening, *sentences), tuple(steps), {marker: tuple(taken) for marker, taken in used.items()})


def _opening(question: str, evidence: Evidence, sentences: list[Sentence]) -> list[Sentence]:
    if not evidence.is_exact:
        return [Sentence(CLOSEST)]
    is_own = _OWN_STATE.search(question) and all("看不到" not in sentence.text for sentence in sentences)
    return [Sentence(CANNOT_SEE)] if is_own else []


def _contradiction(evidence: Evidence, used: Collection[int]) -> list[Sentence]:
    """Where an article stands beside the passages that correct it, one sentence says so, with the markers of all."""
    articles = [
        marker for marker, ranked in enumerate(evidence.answers, 1) if ranked.passage.claims and marker > 1 and marker in used
    ]
    if not articles:
        return []
    return [Sentence(CONTRADICTED, (*(marker for marker in used if marker < articles[0]), articles[0]))]


def _statements(question: str, evidence: Evidence) -> Iterator[tuple[int, Line]]:
    ways = read(question).concepts
    is_brief = bool(ways & {"howlong", "howmuch"}) or len(evidence.answers) > 1
    is_yes_or_no = bool(_YES_OR_NO.search(question))
    wants_more = "why" in ways or not (is_yes_or_no or ways & _TO_THE_POINT)
    for marker, ranked in enumerate(evidence.passages, start=1):
        is_continuation = marker > len(evidence.answers)
        if is_continuation and not wants_more:
            return
        statements = [line for line in lines(ranked.passage) if not line.is_step]
        if statements and (is_continuation or not is_yes_or_no):
            statements[0] = _without_verdict(statements[0])
        wanted = 1 if is_continuation else _BRIEF_SENTENCES if is_brief else len(statements)
        yield from ((marker, line) for line in statements[:wanted])


def _without_verdict(line: Line) -> Line:
    """The sentence without a yes or no before it, where it reads on without."""
    if not _VERDICT.match(line.text):
        return line
    cut = line.text.index("，") + 1
    return replace(line, text=line.text[cut:], start=line.start + cut)


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
