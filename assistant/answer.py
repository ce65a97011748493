"""Every outcome a surface must render, as one value. The JSON field names are the contract."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Status = Literal["answered", "partial", "clarify", "refused", "safety"]
STATUSES: tuple[str, ...] = get_args(Status)
Mode = Literal["composed", "model"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One shown sentence and the markers of the citations that support it.

    A connecting phrase that states nothing has no markers, but for the one that compares two citations.
    """

    text: str
    markers: tuple[int, ...] = ()

    @property
    def marked(self) -> str:
        """The sentence as it is printed: 文字。[1][2]"""
        return self.text + "".join(f"[{marker}]" for marker in self.markers)


@dataclass(frozen=True, slots=True)
class Citation:
    """What a marker points at: `quote` equals the document's text from `start` to `end`."""

    marker: int
    passage_id: str
    document: str
    document_path: str
    title: str
    heading: tuple[str, ...]
    quote: str
    start: int
    end: int
    source_type: str
    source: str | None
    publisher: str
    date: str | None
    url: str | None
    caution: str | None
    score: float
    signals: dict[str, float]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A deliberate non-answer: why, and what would help instead. `suggestions` are questions that have answers."""

    reason: Literal["no_evidence", "out_of_scope", "empty"]
    message: str
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Safety:
    """What kind of danger was recognised in the question."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class HandOff:
    """What a person needs who takes over; the question is masked."""

    reason: str
    urgency: Literal["low", "normal", "high"]
    queue: str
    question: str
    standalone_question: str
    passages: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to one question."""

    id: str
    question: str
    standalone_question: str
    status: Status
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    next_steps: tuple[Sentence, ...] = ()
    follow_ups: tuple[str, ...] = ()
    refusal: Refusal | None = None
    safety: Safety | None = None
    hand_off: HandOff | None = None
    index_version: str = ""
    mode: Mode = "composed"
    timings_ms: dict[str, float] | None = None
    usage: dict[str, int] | None = None  # calls, tokens and what the checks dropped, where a chat model is set up

    @property
    def text(self) -> str:
        """The whole reply as plain text with markers, as a person without a screen would get it."""
        parts = []
        if self.sentences:
            parts.append("".join(sentence.marked for sentence in self.sentences))
        if self.refusal is not None:
            parts.append(self.refusal.message)
        if self.next_steps:
            parts.append("\n".join(f"- {step.marked}" for step in self.next_steps))
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON values."""
        value = asdict(self)
        value["text"] = self.text
        value["next_steps"] = [step.marked for step in self.next_steps]
        value["timings_ms"] = self.timings_ms or {}
        value["usage"] = self.usage or {}
        order = ["id", "question", "standalone_question", "status", "text"]
        return {key: value[key] for key in [*order, *(key for key in value if key not in order)]}
