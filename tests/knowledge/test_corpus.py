"""The corpus that ships: it passes its own check, covers what it promises, and every offset is exact."""

from __future__ import annotations

import time
from datetime import date

from knowledge.checking.corpus_check import check_corpus
from knowledge.checking.ledger import read_ledger
from knowledge.chunking import cut
from knowledge.documents import load_corpus
from knowledge.settings import ChunkingSettings, shipped

CORPUS = shipped("corpus")
# The day the corpus was last gone through; a later day only lets review dates pass, which is for the build to say.
CHECKED_ON = date(2026, 11, 23)


def test_the_shipped_corpus_passes_its_check_in_seconds() -> None:
    started = time.monotonic()
    checked = check_corpus([CORPUS], CHECKED_ON)
    assert time.monotonic() - started < 10
    assert [str(finding) for finding in checked.findings if finding.severity == "error"] == []


def test_it_is_as_large_as_the_questions_want() -> None:
    documents = load_corpus([CORPUS]).documents
    assert len(documents) >= 60
    assert sum(len(cut(document, ChunkingSettings())) for document in documents) >= 350


def test_every_passage_is_an_exact_span_of_its_file_and_fits_in_one_piece() -> None:
    for document in load_corpus([CORPUS]).documents:
        on_disk = (CORPUS / document.path).read_text(encoding="utf-8")
        passages = cut(document, ChunkingSettings())
        assert all(on_disk[passage.start : passage.end] == passage.text for passage in passages)
        if document.source_type != "user_article":
            assert len(passages) == len(document.sections)


def test_every_false_claim_and_every_claim_of_the_article_is_put_right() -> None:
    documents = load_corpus([CORPUS]).documents
    corrected = {id_ for document in documents for section in document.sections for id_ in section.corrects}
    article = next(document for document in documents if document.source_type == "user_article")
    assert article.caution
    assert {id_ for id_, _ in article.claims} <= corrected
    assert {fact.id for fact in read_ledger(CORPUS / "facts.tsv").values() if fact.is_false_claim} <= corrected
