"""The values of this layer: documents, their sections, and the passages cut from them.

Everything here is frozen and free of third-party imports, so that any layer can hold it.
Offsets are character positions in `Document.text`, which is the file exactly as it was read:
whoever opens the file finds the quote at `text[start:end]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SourceType = Literal["law", "regulator", "official", "guidance", "news", "user_article"]
SOURCE_TYPES: tuple[str, ...] = get_args(SourceType)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement comes from, as the reader is shown it.

    `article` names the provision of a law ("第16条"); `date` is the day the source took effect
    or was published, `None` where nobody could establish it.
    """

    id: str
    title: str
    type: SourceType
    publisher: str
    date: str | None = None
    url: str | None = None
    article: str | None = None

    @property
    def label(self) -> str:
        """Title and provision together: 《征信业管理条例》第16条."""
        quoted = f"《{self.title}》" if self.type in ("law", "regulator") else self.title
        return quoted + (self.article or "")


@dataclass(frozen=True, slots=True)
class Section:
    """One heading of a document with everything that was said about it.

    `start` and `end` enclose the body only, without heading and metadata.
    `corrects` lists the claims this section puts right. `then` names the passages whose answer a
    person needs next; the composed answer continues with them.
    """

    id: str
    headings: tuple[str, ...]
    start: int
    end: int
    line: int
    asks: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    corrects: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    review_by: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """One source file after reading. `path` is relative to the corpus folder, with `/`."""

    id: str
    path: str
    text: str
    title: str
    source_type: SourceType
    publisher: str
    date: str | None
    review_by: str | None
    url: str | None
    caution: str | None
    sections: tuple[Section, ...]
    claims: tuple[tuple[str, str], ...] = ()  # (claim id, the words in this document that make it)


@dataclass(frozen=True, slots=True)
class Passage:
    """A citable span of one document: what is indexed, ranked and shown.

    `text` equals `document.text[start:end]`. `asks` are other ways of asking the heading, `wordings`
    further ones as people type them; they are indexed and never shown. `claims` are doubtful claims that this very span makes.
    """

    id: str
    document_id: str
    document_path: str
    title: str
    headings: tuple[str, ...]
    text: str
    start: int
    end: int
    source_type: SourceType
    publisher: str
    date: str | None
    source: str | None
    url: str | None
    caution: str | None
    review_by: str | None
    asks: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    corrects: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The question this passage answers, or the document's title where it has no heading."""
        return self.headings[-1] if self.headings else self.title

    @property
    def questions(self) -> tuple[str, ...]:
        """Every way of asking for this passage: its heading first."""
        return (self.heading, *self.asks)


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage with its place in one ranking.

    `score` is a probability-like number in [0, 1] that the passage answers the query;
    `signals` says what it was made of, for `--json` and for whoever wonders about the order.
    """

    passage: Passage
    rank: int
    score: float
    signals: tuple[tuple[str, float], ...] = ()
