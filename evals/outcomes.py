"""What a system made of one case, as a value that can be written down and read back."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from assistant import Answer, prompts
from evals.metrics import CitedSentence
from evals.text_checks import plain, sentences_of, without_markers


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation as far as it is judged. `is_exact` is false where the document does not hold the quote there."""

    marker: int
    passage: str
    document: str
    quote: str
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """One system's reply to one case. `error` is what it raised instead of a reply.

    `ranked` are the (passage id, score) pairs retrieval gave; `labels` the same ranking for the metrics, where a
    passage that holds gold carries the target's name.
    """

    case_id: str
    status: str = "error"
    standalone: str = ""
    text: str = ""
    sentences: tuple[tuple[str, tuple[int, ...]], ...] = ()
    citations: tuple[Cited, ...] = ()
    ranked: tuple[tuple[str, float], ...] = ()
    labels: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    mode: str = "composed"
    usage: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None

    @property
    def top_score(self) -> float:
        """How sure retrieval was of its best passage; 0 where it found nothing."""
        return self.ranked[0][1] if self.ranked else 0.0

    @property
    def rests_on(self) -> str | None:
        """The passage the first sentence rests on."""
        return self.citations[0].passage if self.citations else None

    def cited_sentences(self) -> list[CitedSentence]:
        """Each statement with the quotes its markers resolve to; fixed phrases of the product state nothing."""
        quotes = {citation.marker: citation.quote for citation in self.citations}
        return [
            CitedSentence(text, tuple(quotes.get(marker) for marker in markers))
            for text, markers in self.sentences
            if markers or plain(text) not in fixed_phrases()
        ]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def from_answer(case_id: str, answer: Answer, documents: Mapping[str, str]) -> Outcome:
    """An outcome from what the assistant returned; every quote is looked up in its document."""
    return Outcome(
        case_id=case_id,
        status=answer.status,
        text=answer.text,
        sentences=tuple((s.text, tuple(s.markers)) for s in (*answer.sentences, *answer.next_steps)),
        citations=tuple(
            Cited(c.marker, c.passage_id, c.document, c.quote, documents.get(c.document, "")[c.start : c.end] == c.quote)
            for c in answer.citations
        ),
        timings_ms=dict(answer.timings_ms or {}),
        mode=answer.mode,
        usage=dict(answer.usage or {}),
    )


def from_export(value: Mapping[str, Any], documents: Mapping[str, str]) -> Outcome:
    """An outcome from a line of another bot's export; fields it lacks are made out from its text."""
    text = str(value.get("text") or "")
    citations = tuple(
        Cited(
            marker=int(item.get("marker") or number),
            passage=str(item.get("passage_id") or item.get("document") or ""),
            document=str(item.get("document") or ""),
            quote=str(item.get("quote") or ""),
            is_exact=str(item.get("quote") or "") in documents.get(str(item.get("document") or ""), ""),
        )
        for number, item in enumerate(value.get("citations") or [], start=1)
    )
    sentences = tuple((str(item["text"]), tuple(item.get("markers") or ())) for item in value.get("sentences") or [])
    return Outcome(
        case_id=str(value["id"]),
        status=str(value.get("status") or ("error" if value.get("error") else "answered")),
        text=text,
        sentences=sentences or _marked_sentences(text),
        citations=citations,
        timings_ms=dict(value.get("timings_ms") or {}),
        error=value.get("error"),
    )


def from_dict(value: Mapping[str, Any]) -> Outcome:
    """What `to_dict` wrote, after a way through JSON."""
    return Outcome(
        **{
            **value,
            "sentences": tuple((text, tuple(markers)) for text, markers in value["sentences"]),
            "citations": tuple(Cited(**citation) for citation in value["citations"]),
            "ranked": tuple((passage, score) for passage, score in value["ranked"]),
            "labels": tuple(value["labels"]),
        }
    )


@cache
def fixed_phrases() -> frozenset[str]:
    """The product's reviewed phrases, sentence by sentence: they may stand without a citation."""
    return frozenset(plain(sentence) for text in fixed_texts() for sentence in (text, *sentences_of(text)))


def fixed_texts() -> list[str]:
    """Every wording the product keeps ready: its file of phrases, and its tables of replies."""
    phrases = [value for name, value in vars(prompts).items() if name.isupper()]
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in Path(str(files("assistant"))).glob("*.toml")]
    return _strings([*phrases, *tables])


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _strings(item)]
    return [text for item in value for text in _strings(item)] if isinstance(value, (list, tuple, set, frozenset)) else []


def _marked_sentences(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Sentences of a plain text, each with the markers that follow it ("……。[1][2]")."""
    found: list[tuple[str, tuple[int, ...]]] = []
    for match in re.finditer(r"([^。！？!?\n]+[。！？!?]*)((?:\s*[\[［【]\d+[\]］】])*)", text):
        sentence = without_markers(match.group(1)).strip(" -*·\t")
        inner = re.findall(r"[\[［【](\d+)[\]］】]", match.group())
        if plain(sentence):
            found.append((sentence, tuple(dict.fromkeys(int(marker) for marker in inner))))
        elif inner and found:
            last, markers = found[-1]
            found[-1] = (last, (*markers, *(int(marker) for marker in inner if int(marker) not in markers)))
    return tuple(found)
