"""What only shows when all sections are seen together: double questions, double bodies, open claims."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from knowledge.checking.findings import Finding
from knowledge.checking.ledger import LEDGER_FILE, Fact
from knowledge.passages import Document, Section

SIMILAR = 0.6
MAX_THEN = 2
# A 3-gram in more sections than this tells nothing about which two are alike (支付宝, 以页面为准).
_COMMON = 60
_NOT_WORDS = re.compile(r"[\W_]+")

Place = tuple[Document, Section]


def check_document(document: Document, today: date) -> Iterator[Finding]:
    """Front matter and review date of one document of ours."""
    if document.path.endswith(".md") and document.source_type != "user_article":
        yield from _front_matter(document)
    for line, until in {(1, document.review_by), *((s.line, s.review_by) for s in document.sections)}:
        if until is not None and until < today.isoformat() and (line == 1 or until != document.review_by):
            yield Finding(document.path, line, "review-past", f"该在 {until} 前重新核对，已经过期。核对后改 review_by。")


def duplicate_questions(places: Iterable[Place]) -> Iterator[Finding]:
    """A question that two sections want to answer; a section that asks the same thing twice."""
    seen: dict[str, str] = {}
    for document, section in places:
        for question in (*section.headings[-1:], *section.asks):
            key = _bare(question)
            if key in seen:
                yield Finding(document.path, section.line, "duplicate-question", f"“{question}”已在 {seen[key]} 问过，请留一处。")
            elif key:
                seen[key] = f"{document.path}#{section.id}"


def near_duplicates(places: Sequence[Place]) -> Iterator[Finding]:
    """Bodies that say nearly the same: Jaccard of their 3-grams, candidates from an inverted index."""
    grams = [_grams(document.text[section.start : section.end]) for document, section in places]
    postings: dict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(grams):
        for gram in own:
            postings[gram].append(number)
    for number, own in enumerate(grams):
        shared = Counter(other for gram in own if len(postings[gram]) <= _COMMON for other in postings[gram] if other < number)
        for other, count in sorted(shared.items()):
            if count * 4 < len(own):  # common grams are not counted here, so the bar is low
                continue
            similarity = len(own & grams[other]) / len(own | grams[other])
            if similarity >= SIMILAR:
                document, section = places[number]
                twin = f"{places[other][0].path}#{places[other][1].id}"
                yield Finding(document.path, section.line, "near-duplicate", f"正文与 {twin} 有 {similarity:.0%} 相同，请合并。")


def broken_then(places: Sequence[Place]) -> Iterator[Finding]:
    """`then` names sections that exist, at most two of them."""
    known = {f"{document.id}#{section.id}" for document, section in places}
    for document, section in places:
        for target in section.then:
            if target not in known:
                yield Finding(document.path, section.line, "broken-then", f"then 里的 {target} 没有这一节。")
        if len(section.then) > MAX_THEN:
            yield Finding(document.path, section.line, "broken-then", f"then 有 {len(section.then)} 个，最多 {MAX_THEN} 个。")


def uncorrected_claims(documents: Iterable[Document], ledger: Mapping[str, Fact]) -> Iterator[Finding]:
    """Doubtful claims of a quoted article, and false claims of the ledger, that no section puts right."""
    documents = list(documents)
    corrected = {id_ for document in documents for section in document.sections for id_ in section.corrects}
    for document in documents:
        for id_, words in document.claims:
            if id_ not in corrected:
                line = document.text.count("\n", 0, max(0, document.text.rfind(words))) + 1
                yield Finding(document.path, line, "uncorrected-claim", f"说法 {id_}“{words}”没有一节用 corrects 纠正它。")
    for number, fact in enumerate(ledger.values(), start=2):
        if fact.is_false_claim and fact.id not in corrected:
            yield Finding(LEDGER_FILE, number, "uncorrected-claim", f"错误说法 {fact.id} 没有一节用 corrects 纠正它。")


def unused_facts(places: Iterable[Place], ledger: Mapping[str, Fact]) -> Iterator[Finding]:
    """Facts that no section rests on: listed, since a corpus need not say everything."""
    used = {id_ for _, section in places for id_ in (*section.facts, *section.corrects)}
    for number, fact in enumerate(ledger.values(), start=2):
        if fact.id not in used:
            yield Finding(LEDGER_FILE, number, "unused-fact", f"事实 {fact.id}（{fact.grade}）没有一节用到。", "note")


def _front_matter(document: Document) -> Iterator[Finding]:
    header = document.text.split("\n---", 1)[0] if document.text.startswith("---\n") else ""
    missing = [key for key in ("id", "title", "date", "review_by") if not re.search(rf"^{key}:\s*\S", header, re.MULTILINE)]
    if missing:
        yield Finding(document.path, 1, "front-matter", f"文档头缺少 {'、'.join(missing)}。")
    stem = document.path.rpartition("/")[2].removesuffix(".md")
    if document.id != stem:
        yield Finding(document.path, 1, "front-matter", f"id 是 {document.id}，应当与文件名 {stem} 相同。")


def _bare(text: str) -> str:
    return _NOT_WORDS.sub("", unicodedata.normalize("NFKC", text).lower())


def _grams(text: str) -> frozenset[str]:
    bare = _bare(text)
    return frozenset(bare[i : i + 3] for i in range(max(1, len(bare) - 2)))
