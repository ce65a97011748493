"""Document → passages, along headings and Chinese sentence ends, offsets kept.

A section that fits is one passage. A longer one is cut by langchain's recursive splitter, told
where Chinese text may break; it keeps the offsets.
"""

from __future__ import annotations

from collections.abc import Iterator

from knowledge.passages import Document, Passage, Section
from knowledge.settings import ChunkingSettings
from knowledge.wordings import shipped_wordings

# Raised whenever the same document would give other passages: it is part of the index's identity.
CHUNKER_VERSION = 3
# From the best place to break to the worst; the empty string lets nothing grow without bound.
_BREAKS = ["\n\n", "\n", "。", "！", "？", "；", "，", ""]


def cut(document: Document, settings: ChunkingSettings) -> list[Passage]:
    """The passages of a document, in the order of its text."""
    return [
        _passage(document, section, start, end, number)
        for section in document.sections
        for number, (start, end) in enumerate(_spans(document.text, section, settings.max_chars))
    ]


def _spans(text: str, section: Section, max_chars: int) -> Iterator[tuple[int, int]]:
    if section.end - section.start <= max_chars:
        yield section.start, section.end
        return
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators=_BREAKS, keep_separator="end", chunk_size=max_chars, chunk_overlap=0, add_start_index=True
    )
    for piece in splitter.create_documents([text[section.start : section.end]]):
        start = section.start + int(piece.metadata["start_index"])
        yield start, start + len(piece.page_content)


def _passage(document: Document, section: Section, start: int, end: int, number: int) -> Passage:
    source = section.sources[0] if section.sources else None
    own = source is None or source.type == "guidance"
    text = document.text[start:end]
    return Passage(
        id=f"{document.id}#{section.id}" + (f".{number + 1}" if number else ""),
        document_id=document.id,
        document_path=document.path,
        title=document.title,
        headings=section.headings,
        text=text,
        start=start,
        end=end,
        source_type=document.source_type if source is None else source.type,
        publisher=document.publisher if own or source is None else source.publisher,
        date=document.date if own or source is None else source.date,
        source=None
        if source is None
        else "、".join(source.label for source in section.sources if source.type != "guidance") or None,
        url=document.url if source is None else source.url,
        caution=document.caution,
        review_by=section.review_by,
        asks=section.asks if number == 0 else (),
        wordings=shipped_wordings().get(f"{document.id}#{section.id}", ()) if number == 0 else (),
        facts=section.facts,
        corrects=section.corrects,
        then=section.then,
        claims=tuple(id_ for id_, quote in document.claims if quote in text),
    )
