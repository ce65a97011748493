"""Files of a corpus folder, read into Documents.

A document is Markdown or plain text with an optional front matter (YAML between `---` lines) and,
below each heading, an optional comment `<!-- ... -->` that holds what the section rests on; see
`knowledge/WRITING.md`. One unreadable file never costs the others: it is named in `problems`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.discovery import SOURCES_FILE, discover
from knowledge.errors import DocumentError
from knowledge.formats.extraction import FORMAT_SUFFIXES, extract, to_document
from knowledge.metadata import date, mapping, source_date, source_type, string, strings
from knowledge.passages import Document, Section, Source

MAX_FILE_BYTES = 2 * 1024 * 1024

_DOCUMENT_KEYS = frozenset(
    {"id", "title", "date", "review_by", "source_type", "publisher", "url", "caution", "facts", "sources", "claims"}
)
_SECTION_KEYS = frozenset({"id", "asks", "facts", "sources", "corrects", "then", "review_by"})
_FRONT_MATTER = re.compile(r"\A---\n(.*?)^---[ \t]*\n", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#{1,6})[ \t]+(\S.*)$", re.MULTILINE)
_COMMENT = re.compile(r"\s*<!--\n?(.*?)-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Corpus:
    """All documents that could be read, the claims registry behind them, and what could not be read."""

    documents: tuple[Document, ...]
    problems: tuple[DocumentError, ...]


def corpus_files(folders: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Every (folder, file) that belongs to the corpus, in a stable order.

    Links that lead out of their folder, hidden files and unknown formats are left out.
    """
    return [(found.folder, found.path) for found in discover(folders) if found.skipped is None]


def load_corpus(folders: Iterable[Path]) -> Corpus:
    """Read every document of the folders; ids must be unique over all of them."""
    everything = discover(folders)
    problems = [found.problem for found in everything if found.skipped is not None]
    files = [(found.path, found.name) for found in everything if found.skipped is None]
    sources = _read_registries(files, problems)
    return _gather([(path, name) for path, name in files if path.name != SOURCES_FILE], sources, (), problems)


def load_files(files: Iterable[Path], corpus: Corpus, folders: Iterable[Path]) -> Corpus:
    """A corpus with some files added to it that lie elsewhere: how a new document would fare."""
    problems = list(corpus.problems)
    sources = _read_registries([(path, path.name) for _, path in corpus_files(folders)], [])
    return _gather([(path, path.name) for path in files], sources, corpus.documents, problems)


def _read_registries(files: Iterable[tuple[Path, str]], problems: list[DocumentError]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for path, name in files:
        if path.name == SOURCES_FILE:
            try:
                sources.update(read_sources(path, name))
            except DocumentError as problem:
                problems.append(problem)
    return sources


def _gather(
    files: list[tuple[Path, str]], sources: Mapping[str, Source], known: Iterable[Document], problems: list[DocumentError]
) -> Corpus:
    documents = {document.id: document for document in known}
    for document in _read_all(files, sources, problems):
        if document.id in documents:
            taken = f"编号 {document.id} 已被 {documents[document.id].path} 使用，请改一个（没有写编号的，编号就是文件名）。"
            problems.append(DocumentError(document.path, taken))
        else:
            documents[document.id] = document
    return Corpus(tuple(documents.values()), tuple(problems))


def _read_all(files: list[tuple[Path, str]], sources: Mapping[str, Source], problems: list[DocumentError]) -> Iterator[Document]:
    """Documents in the order of `files`; what cannot be read goes to `problems`."""
    with closing(extract((path, name) for path, name in files if path.suffix.lower() in FORMAT_SUFFIXES)) as foreign:
        for path, name in files:
            try:
                if path.suffix.lower() not in FORMAT_SUFFIXES:
                    yield read_document(path, name, sources)
                    continue
                content = next(foreign)
                if isinstance(content, DocumentError):
                    raise content
                problems.extend(DocumentError(name, reason, line) for line, reason in content.skipped)
                yield to_document(content, name)
            except DocumentError as problem:
                problems.append(problem)


def read_sources(path: Path, name: str) -> dict[str, Source]:
    """The registry of sources that documents refer to by id."""
    text = read_text(path, name)
    sources: dict[str, Source] = {}
    for id_, entry in mapping(text, name, 1).items():
        line = 1 + text[: text.find(f"\n{id_}:") + 1].count("\n")
        if not isinstance(entry, Mapping) or {"title", "type", "publisher"} - entry.keys():
            raise DocumentError(name, f"来源 {id_} 需要 title、type、publisher。", line)
        if unknown := entry.keys() - {"title", "type", "publisher", "date", "url"}:
            raise DocumentError(name, f"来源 {id_} 有不认识的字段：{'、'.join(sorted(unknown))}。", line)
        if not all(isinstance(value, str) for value in entry.values()):
            raise DocumentError(name, f"来源 {id_} 的每个字段都应当是一段文字。", line)
        sources[id_] = Source(
            id=id_,
            title=entry["title"],
            type=source_type(entry["type"], name, line),
            publisher=entry["publisher"],
            date=source_date(entry.get("date"), name, line),
            url=entry.get("url"),
        )
    return sources


def read_document(path: Path, name: str, sources: Mapping[str, Source]) -> Document:
    """One file as a Document; `name` is its path inside the corpus, used in every message."""
    text = read_text(path, name)
    return parse_document(text, name, sources)


def read_text(path: Path, name: str) -> str:
    """The file's characters, line ends unified, so that offsets equal those of `open(path).read()`."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DocumentError(
                name, f"文件有 {path.stat().st_size // 1024} KB，上限是 {MAX_FILE_BYTES // 1024} KB，请拆成几篇。"
            )
        raw = path.read_bytes()
    except OSError as error:
        raise DocumentError(name, f"读不了这个文件（{error.strerror}），请检查权限。") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DocumentError(name, "不是 UTF-8 编码，请用编辑器另存为 UTF-8。", line) from None
    if "\0" in text:
        raise DocumentError(name, "含有空字符，不像文本文件。", text.count("\n", 0, text.index("\0")) + 1)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_document(text: str, name: str, sources: Mapping[str, Source]) -> Document:
    """A document from its whole text; raises DocumentError with the line to mend."""
    header: dict[str, Any] = {}
    body_start = 0
    if text.startswith("---\n"):
        match = _FRONT_MATTER.match(text)
        if match is None:
            raise DocumentError(name, "文档头以 --- 开始，却没有用 --- 结束。", 1)
        header = mapping(match.group(1), name, 2)
        body_start = match.end()
    if unknown := header.keys() - _DOCUMENT_KEYS:
        raise DocumentError(name, f"文档头有不认识的字段：{'、'.join(sorted(unknown))}。", 1)
    stem = Path(name).stem
    default_sources = _sources(header.get("sources"), name, 1, sources)
    sections = tuple(_iter_sections(text, body_start, name, sources, header=header, default_sources=default_sources))
    if not sections:
        raise DocumentError(name, "没有正文。", 1)
    title = string(header, "title", name, 1) or next((s.headings[0] for s in sections if s.headings), stem)
    return Document(
        id=string(header, "id", name, 1) or stem,
        path=name,
        text=text,
        title=title,
        source_type=source_type(header.get("source_type", "guidance"), name, 1),
        publisher=string(header, "publisher", name, 1) or "借呗额度助手",
        date=date(header.get("date"), name, 1),
        review_by=date(header.get("review_by"), name, 1),
        url=string(header, "url", name, 1),
        caution=string(header, "caution", name, 1),
        sections=sections,
        claims=_claims(header, text[body_start:], name),
    )


def _iter_sections(
    text: str,
    body_start: int,
    name: str,
    sources: Mapping[str, Source],
    *,
    header: Mapping[str, Any],
    default_sources: tuple[Source, ...],
) -> Iterator[Section]:
    headings = list(_HEADING.finditer(text, body_start))
    starts = [(body_start, 0, "", headings[0].start() if headings else len(text))]
    for match, following in zip(headings, [*headings[1:], None], strict=False):
        end = following.start() if following else len(text)
        starts.append((match.end(), len(match.group(1)), _bare_heading(match.group(2)), end))
    path: list[tuple[int, str]] = []
    seen: set[str] = set()
    line, counted = 1, 0  # counted from the heading before, or a file of headings would take minutes
    for number, (after_heading, level, heading, before_next) in enumerate(starts):
        line, counted = line + text.count("\n", counted, after_heading), after_heading
        if level:
            path = [(depth, words) for depth, words in path if depth < level] + [(level, heading)]
        metadata: dict[str, Any] = {}
        comment = _COMMENT.match(text, after_heading, before_next)
        if comment is not None:
            metadata = mapping(comment.group(1), name, line + 1)
            if unknown := metadata.keys() - _SECTION_KEYS:
                raise DocumentError(name, f"“{heading}”有不认识的字段：{'、'.join(sorted(unknown))}。", line)
        start, end = _trim(text, comment.end() if comment else after_heading, before_next)
        if start == end:
            continue
        id_ = string(metadata, "id", name, line) or str(number)
        if id_ in seen:
            raise DocumentError(name, f"编号 {id_} 在这篇文档里用了两次。", line)
        seen.add(id_)
        yield Section(
            id=id_,
            headings=tuple(words for _, words in path),
            start=start,
            end=end,
            line=line,
            asks=strings(metadata, "asks", name, line),
            facts=strings(metadata, "facts", name, line) or strings(header, "facts", name, 1),
            sources=_sources(metadata.get("sources"), name, line, sources) or default_sources,
            corrects=strings(metadata, "corrects", name, line),
            then=strings(metadata, "then", name, line),
            review_by=date(metadata.get("review_by", header.get("review_by")), name, line),
        )


def _sources(value: Any, name: str, line: int, registry: Mapping[str, Source]) -> tuple[Source, ...]:
    resolved = []
    for reference in strings({"sources": value}, "sources", name, line):
        id_, _, article = reference.partition("#")
        if id_ not in registry:
            raise DocumentError(name, f"来源 {id_} 不在 {SOURCES_FILE} 里。", line)
        source = registry[id_]
        resolved.append(
            Source(
                source.id,
                source.title,
                source.type,
                source.publisher,
                source.date,
                source.url,
                f"第{article}条" if article else None,
            )
        )
    return tuple(resolved)


def _claims(header: Mapping[str, Any], body: str, name: str) -> tuple[tuple[str, str], ...]:
    claims = header.get("claims") or {}
    if not isinstance(claims, dict):
        raise DocumentError(name, "claims 应当是“编号: 原话”的形式。", 1)
    for id_, quote in claims.items():
        if not isinstance(quote, str) or quote not in body:
            raise DocumentError(name, f"claims 里 {id_} 的原话在正文里找不到。", 1)
    return tuple(claims.items())


def _bare_heading(words: str) -> str:
    """Without the closing marks of Markdown: 标题 ## → 标题."""
    return words.rstrip().rstrip("#").rstrip() or words.strip()


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
