"""The straight line from a question to an Answer."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assistant.answer import Answer, Refusal, Sentence
from assistant.composing import compose
from assistant.conversation import read_history, standalone_question
from assistant.evidence import Evidence, cite, select
from assistant.grounding import supported
from assistant.prompts import CLOSEST, EXAMPLE_QUESTIONS, NEAREST, NO_EVIDENCE, OFFICIAL_WAY, OUT_OF_SCOPE
from assistant.screening import screen
from knowledge.passages import Document, RankedPassage
from knowledge.retriever import Retriever, is_stale

if TYPE_CHECKING:
    from langchain_core.runnables import Runnable

_CONNECTING = frozenset({CLOSEST})
_FOLLOW_UPS = 3
# Below this the question is about something else altogether, and neighbours would only puzzle.
_IN_SCOPE_SCORE = 0.05


class Assistant:
    """Answers questions from one index; safe to share between threads."""

    def __init__(self, retriever: Retriever, *, max_question_chars: int) -> None:
        self._retriever = retriever
        self._max_question_chars = max_question_chars

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
        started = time.perf_counter()
        screened = screen(question, max_chars=self._max_question_chars)
        standalone = standalone_question(screened.question, read_history(history))
        retrieving = time.perf_counter()
        ranked = self._retriever.retrieve(standalone)
        retrieved = time.perf_counter()
        evidence = select(ranked, self._retriever.index)
        if evidence is None:
            answer = self._refuse(screened.question, standalone, ranked)
        else:
            answer = self._answer(screened.question, standalone, ranked, evidence)
        yield from answer.sentences
        finished = time.perf_counter()
        timings = {"retrieve": (retrieved - retrieving) * 1000, "total": (finished - started) * 1000}
        yield _with_timings(answer, timings)

    def _answer(self, question: str, standalone: str, ranked: Sequence[RankedPassage], evidence: Evidence) -> Answer:
        draft = compose(evidence)
        sentences = supported(draft.sentences, evidence, _CONNECTING)
        steps = supported(draft.steps, evidence, _CONNECTING)
        shown = {marker for sentence in (*sentences, *steps) for marker in sentence.markers}
        index = self._retriever.index
        today = self._retriever.today()
        return Answer(
            id=self._id(standalone),
            question=question,
            standalone_question=standalone,
            status="answered" if evidence.is_exact else "partial",
            sentences=sentences,
            citations=tuple(
                cite(marker, ranked_passage, draft.used[marker], index.documents[ranked_passage.passage.document_id].text,
                     lambda passage: is_stale(passage, today))
                for marker, ranked_passage in enumerate(evidence.passages, start=1)
                if marker in shown
            ),
            next_steps=steps,
            follow_ups=_other_questions(ranked, evidence),
            index_version=index.version,
        )  # fmt: skip

    def _refuse(self, question: str, standalone: str, ranked: Sequence[RankedPassage]) -> Answer:
        near = tuple(item.passage.heading for item in ranked[:_FOLLOW_UPS] if item.score >= _IN_SCOPE_SCORE)
        message = NO_EVIDENCE + OFFICIAL_WAY + NEAREST if near else OUT_OF_SCOPE + NEAREST
        return Answer(
            id=self._id(standalone),
            question=question,
            standalone_question=standalone,
            status="refused",
            refusal=Refusal("no_evidence" if near else "out_of_scope", message, near or EXAMPLE_QUESTIONS[:_FOLLOW_UPS]),
            index_version=self._retriever.index.version,
        )

    def _id(self, standalone: str) -> str:
        return hashlib.sha256(f"{self.index_version}\0{standalone}".encode()).hexdigest()[:12]


def _other_questions(ranked: Sequence[RankedPassage], evidence: Evidence) -> tuple[str, ...]:
    used = {item.passage.id for item in evidence.passages}
    others = [item for item in ranked if item.passage.id not in used and item.passage.source_type != "user_article"]
    return tuple(item.passage.heading for item in others[:_FOLLOW_UPS])


def _with_timings(answer: Answer, timings: dict[str, float]) -> Answer:
    from dataclasses import replace

    return replace(answer, timings_ms={name: round(value, 2) for name, value in timings.items()})
