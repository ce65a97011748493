"""The straight line from a question to an Answer."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from assistant.answer import Answer, Refusal, Safety, Sentence
from assistant.chat_model import Usage
from assistant.composing import Draft, compose
from assistant.conversation import Turn, Understood, is_vague, parts_of, read_history, understand
from assistant.evidence import Evidence, cite, select
from assistant.generating import Writer
from assistant.grounding import verified
from assistant.handing_off import hand_off
from assistant.prompts import (
    EXAMPLE_QUESTIONS,
    MASKED,
    NEAREST,
    NO_EVIDENCE,
    OFFICIAL_WAY,
    OUT_OF_SCOPE,
    SYMPTOM_QUESTIONS,
    WHICH_SYMPTOM,
)
from assistant.risk import Risk, recognise, suspect, without_instructions
from assistant.screening import Screened, mask, screen
from assistant.self_check import Place, place_of
from knowledge.passages import Document, RankedPassage
from knowledge.retriever import Retriever, blend, is_stale
from knowledge.signals import read

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

_FOLLOW_UPS = 3
# From here on a question that does not name 借呗 is more likely about something else.
_STRANGE = 0.5


class Assistant:
    """Answers questions from one index, by a chat model where it is given a writer; safe to share between threads."""

    def __init__(self, retriever: Retriever, *, max_question_chars: int, writer: Writer | None = None) -> None:
        self._retriever = retriever
        self._max_question_chars = max_question_chars
        self._writer = writer

    @staticmethod
    def from_settings() -> Assistant:
        """The assistant that settings file and environment describe; builds the index if need be."""
        from assistant.assembly import build_assistant
        from assistant.settings import load_settings

        return build_assistant(load_settings())

    @property
    def index_version(self) -> str:
        """The index that answers come from."""
        return self._retriever.index.version

    def document(self, document_id: str) -> Document | None:
        """The document behind a citation, as the index holds it."""
        return self._retriever.index.documents.get(document_id)

    def ask(self, question: str, history: Sequence[Any] | None = None) -> Answer:
        """The whole answer; raises InvalidQuestion for what cannot be answered at all."""
        answer: Answer | None = None
        for event in self.stream(question, history):
            if isinstance(event, Answer):
                answer = event
        assert answer is not None, "stream ends with an Answer"
        return answer

    async def aask(self, question: str, history: Sequence[Any] | None = None) -> Answer:
        """`ask` without blocking the event loop."""
        return await asyncio.to_thread(self.ask, question, history)

    def as_runnable(self) -> Runnable[str | dict[str, Any], Answer]:
        """A langchain Runnable: a question, or {"question": …, "history": […]}, in; an Answer out."""
        from langchain_core.runnables import RunnableLambda

        def run(value: str | dict[str, Any]) -> Answer:
            return self.ask(value) if isinstance(value, str) else self.ask(value["question"], value.get("history"))

        return RunnableLambda(run, name="jiebei_limit_assistant")

    def stream(self, question: str, history: Sequence[Any] | None = None) -> Iterator[Sentence | Answer]:
        """Checked sentences as they come, then the Answer that holds them all."""
        clock = _Clock()
        screened = screen(question, max_chars=self._max_question_chars)
        turns = tuple(replace(turn, content=mask(turn.content).question) for turn in read_history(history))
        risk = recognise(screened.question) or suspect(self._retriever.intents(screened.question))
        clock.lap("screen")
        usage = Usage()
        until = self._writer.deadline() if self._writer is not None else 0.0
        asked = without_instructions(screened.question)
        understood = understand(asked, turns)
        if self._writer is not None and risk is None and not is_vague(understood.standalone):
            rewritten = self._writer.standalone(asked, turns, understood.standalone, usage, until=until)
            understood = replace(understood, standalone=rewritten)
        guided = place_of(asked, turns) if risk is None else None
        clock.lap("understand")
        if guided is None:
            rankings = self._retrieve(understood, risk.documents if risk else None)
        else:
            rankings = self._named(guided.passages)
        clock.lap("retrieve")
        evidence = select(rankings, self._retriever.index, self._retriever.reranker.thresholds)
        clock.lap("select")
        choices = _choices(understood.standalone, guided, turns)
        answer = self._respond(screened, understood.standalone, rankings=rankings, evidence=evidence, risk=risk, choices=choices)
        if self._writer is None or evidence is None or answer.status not in ("answered", "partial"):
            yield from answer.sentences
        else:
            answer = yield from self._written(answer, evidence, self._writer, usage, until)
        if screened.masked:
            yield Sentence(MASKED)
            answer = replace(answer, sentences=(*answer.sentences, Sentence(MASKED)))
        clock.lap("answer")
        yield replace(
            answer,
            hand_off=hand_off(answer, risk, turns),
            timings_ms=clock.timings(),
            usage=asdict(usage) if self._writer is not None else None,
        )

    def _retrieve(self, understood: Understood, documents: frozenset[str] | None) -> list[list[RankedPassage]]:
        """One ranking for each question in the question."""
        if understood.focus is not None:
            return [self._follow_up(understood, documents)]
        whole = self._retriever.retrieve(understood.standalone, documents)
        parts = parts_of(understood.standalone)
        if len(parts) == 1 or documents is not None:
            return [whole]
        first = self._retriever.retrieve(parts[0])
        second = self._follow_up(understand(parts[1], (Turn("user", parts[0]),)), None)
        sure = self._retriever.reranker.thresholds.answer
        is_double = bool(first and second) and min(first[0].score, second[0].score) >= sure
        return [first, second] if is_double and first[0].passage.id != second[0].passage.id else [whole]

    def _named(self, passages: Sequence[str]) -> list[list[RankedPassage]]:
        """Passages that were chosen by name, each as a ranking of its own."""
        known = self._retriever.index.by_id
        return [[RankedPassage(known[id_], 1, 1.0, (("chosen", 1.0),))] for id_ in passages if id_ in known]

    def _follow_up(self, understood: Understood, documents: frozenset[str] | None) -> list[RankedPassage]:
        """A follow-up must fit what came before and its own words; what answered the question before is known by now."""
        retrieve = self._retriever.retrieve
        if understood.focus is None or understood.before is None:
            return retrieve(understood.standalone, documents)
        answered = [item.passage for item in retrieve(understood.before)[:1]]
        return blend(
            [retrieve(understood.standalone, documents), retrieve(understood.focus, documents)],
            leaving_out=frozenset(passage.id for passage in answered),
            home=frozenset(passage.document_id for passage in answered),
        )

    def _respond(
        self,
        screened: Screened,
        standalone: str,
        *,
        rankings: Sequence[Sequence[RankedPassage]],
        evidence: Evidence | None,
        risk: Risk | None,
        choices: Place | None,
    ) -> Answer:
        ranked = rankings[0] if rankings else []
        blank = Answer(
            id=hashlib.sha256(f"{self.index_version}\0{standalone}".encode()).hexdigest()[:12],
            question=screened.question,
            standalone_question=standalone,
            status="refused",
            index_version=self.index_version,
        )
        if risk is not None:
            answer = self._warn(blank, ranked, risk)
        elif choices is not None:
            answer = replace(blank, status="clarify", sentences=(Sentence(choices.ask),), follow_ups=choices.choices)
        elif evidence is None:
            answer = _refuse(blank, ranked)
        else:
            answer = self._answer(blank, rankings, evidence)
        return answer

    def _answer(self, blank: Answer, rankings: Sequence[Sequence[RankedPassage]], evidence: Evidence) -> Answer:
        answer = self._cited(blank, verified(compose(blank.standalone_question, evidence), evidence), evidence)
        return replace(
            answer, status="answered" if evidence.is_exact else "partial", follow_ups=_other_questions(rankings, evidence)
        )

    def _written(
        self, answer: Answer, evidence: Evidence, writer: Writer, usage: Usage, until: float
    ) -> Generator[Sentence, None, Answer]:
        """The composed answer in the model's words, as far as they hold."""
        composed = verified(compose(answer.standalone_question, evidence), evidence)
        bar = self._retriever.reranker.thresholds.support
        draft, mode = yield from writer.write(
            answer.standalone_question,
            evidence,
            composed,
            usage,
            index_version=self.index_version,
            until=until,
            is_near=lambda text, passage: self._retriever.nearness(text, passage) >= bar,
        )
        return replace(self._cited(answer, draft, evidence), mode=mode)

    def _warn(self, blank: Answer, ranked: Sequence[RankedPassage], risk: Risk) -> Answer:
        """What to do now comes first, whatever was found; what the knowledge says about it follows."""
        warning = replace(blank, status="safety", safety=Safety(risk.kind, risk.reply), sentences=(Sentence(risk.reply),))
        if not ranked:
            return warning
        evidence = Evidence((ranked[0],), (), is_exact=True)
        answer = self._cited(warning, verified(compose(blank.standalone_question, evidence), evidence), evidence)
        # After a warning, no word of our own stands before what the passage says.
        return replace(answer, sentences=(*warning.sentences, *(sentence for sentence in answer.sentences if sentence.markers)))

    def _cited(self, blank: Answer, draft: Draft, evidence: Evidence) -> Answer:
        """The verified draft with the citations it needs and no others."""
        shown = {marker for sentence in (*draft.sentences, *draft.steps) for marker in sentence.markers}
        documents, today = self._retriever.index.documents, self._retriever.today()
        citations = tuple(
            cite(
                marker,
                ranked,
                draft.used[marker],
                documents[ranked.passage.document_id].text,
                lambda passage: is_stale(passage, today),
            )
            for marker, ranked in enumerate(evidence.passages, start=1)
            if marker in shown
        )
        return replace(blank, sentences=draft.sentences, next_steps=draft.steps, citations=citations)


class _Clock:
    """Milliseconds of each stage and of the whole."""

    def __init__(self) -> None:
        self._started = self._last = time.perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self._laps[stage] = now - self._last
        self._last = now

    def timings(self) -> dict[str, float]:
        return {
            stage: round(seconds * 1000, 2) for stage, seconds in (self._laps | {"total": self._last - self._started}).items()
        }


def _refuse(blank: Answer, ranked: Sequence[RankedPassage]) -> Answer:
    """On the subject, the nearest questions that have answers; off it, what the assistant is for."""
    if _is_on_subject(blank.standalone_question, ranked):
        suggestions = tuple(item.passage.heading for item in ranked[:_FOLLOW_UPS])
        refusal = Refusal("no_evidence", NO_EVIDENCE + OFFICIAL_WAY + NEAREST, suggestions)
    else:
        refusal = Refusal("out_of_scope", OUT_OF_SCOPE + NEAREST, EXAMPLE_QUESTIONS[:_FOLLOW_UPS])
    return replace(blank, status="refused", refusal=refusal)


def _is_on_subject(standalone: str, ranked: Sequence[RankedPassage]) -> bool:
    """Whether it names 借呗, or a product or matter that is not somebody else's (another bank's limit)."""
    reading = read(standalone)
    strange = dict(ranked[0].signals)["out_of_scope"] if ranked else 1.0
    return "借呗" in reading.products or (bool(reading.products | reading.matters) and strange < _STRANGE)


def _choices(standalone: str, guided: Place | None, turns: Sequence[Turn]) -> Place | None:
    """What to ask back, if anything: the next step of the self-check, or which symptom it is, once in a row."""
    if guided is not None:
        return guided if guided.ask else None
    said = [turn.content for turn in turns if turn.role == "assistant"]
    just_asked = bool(said) and WHICH_SYMPTOM in said[-1]
    return Place(WHICH_SYMPTOM, SYMPTOM_QUESTIONS) if is_vague(standalone) and not just_asked else None


def _other_questions(rankings: Sequence[Sequence[RankedPassage]], evidence: Evidence) -> tuple[str, ...]:
    """What is asked next: first where the answer itself leads, then its neighbours in the ranking."""
    used = {item.passage.id for item in evidence.answers}
    neighbours = [item for ranked in rankings for item in ranked if item.passage.source_type != "user_article"]
    others = [item.passage.heading for item in (*evidence.continuations, *neighbours) if item.passage.id not in used]
    return tuple(dict.fromkeys(others))[:_FOLLOW_UPS]
