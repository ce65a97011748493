"""The check of a corpus: everything an author, a build or a reviewer would want to hear, in seconds.

Rules on one section live in `section_rules`, rules across sections in `corpus_rules`; this file
loads a corpus once and runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from knowledge.checking.corpus_rules import (
    broken_then,
    check_document,
    duplicate_questions,
    near_duplicates,
    uncorrected_claims,
    unused_facts,
)
from knowledge.checking.findings import Finding
from knowledge.checking.ledger import LEDGER_FILE, Fact, read_ledger
from knowledge.checking.section_rules import View, check_section
from knowledge.checking.sources_page import SOURCES_PAGE, check_sources_page, render_sources
from knowledge.discovery import SOURCES_FILE
from knowledge.documents import Corpus, load_corpus, load_files, read_sources
from knowledge.errors import DocumentError
from knowledge.passages import Document, Source


@dataclass(frozen=True)
class Checked:
    """A corpus and what there is to say about it."""

    corpus: Corpus
    findings: tuple[Finding, ...]


def check(folders: Iterable[Path], today: date) -> list[Finding]:
    """All findings, by path and line; `today` decides which review dates are past."""
    return list(check_corpus(folders, today).findings)


def check_corpus(folders: Iterable[Path], today: date, files: Iterable[Path] = ()) -> Checked:
    """The findings together with the corpus they are about; `files` are judged as if they lay in it."""
    folders = list(folders)
    findings: list[Finding] = []
    ledger: dict[str, Fact] = {}
    for folder in folders:
        if (folder / LEDGER_FILE).is_file():
            try:
                ledger.update(read_ledger(folder / LEDGER_FILE))
            except DocumentError as problem:
                findings.append(_schema(problem))
    corpus = load_corpus(folders)
    if files := list(files):
        corpus = load_files(files, corpus, folders)
    findings.extend(map(_schema, corpus.problems))
    findings.extend(_check_documents(corpus.documents, ledger, today))
    for folder, documents, sources in _registries(folders):
        findings.extend(check_sources_page(folder, documents, sources))
    return Checked(corpus, tuple(sorted(set(findings))))


def write_sources_pages(folders: Iterable[Path]) -> list[Path]:
    """Rewrite the page of every folder that registers sources; the pages written."""
    written = []
    for folder, documents, sources in _registries(folders):
        (folder / SOURCES_PAGE).write_text(render_sources(documents, sources), encoding="utf-8")
        written.append(folder / SOURCES_PAGE)
    return written


def _check_documents(documents: Iterable[Document], ledger: Mapping[str, Fact], today: date) -> Iterator[Finding]:
    documents = list(documents)
    titles = frozenset(document.title for document in documents)
    ours = [
        (document, section) for document in documents if document.source_type != "user_article" for section in document.sections
    ]
    for document in documents:
        yield from check_document(document, today)
        for section in document.sections:
            yield from check_section(View(document, section, ledger, titles))
    yield from duplicate_questions(ours)
    yield from near_duplicates(ours)
    yield from broken_then(ours)
    yield from uncorrected_claims(documents, ledger)
    yield from unused_facts(ours, ledger)


def _registries(folders: Iterable[Path]) -> Iterator[tuple[Path, tuple[Document, ...], dict[str, Source]]]:
    """Every folder that registers sources, with its own documents and its sources."""
    for folder in folders:
        path = folder / SOURCES_FILE
        if path.is_file():
            with suppress(DocumentError):  # already a problem of the corpus
                yield folder, load_corpus([folder]).documents, read_sources(path, SOURCES_FILE)


def _schema(problem: DocumentError) -> Finding:
    return Finding(problem.path, problem.line or 1, "schema", problem.problem)
