"""`assistant check`: what is wrong with the corpus or with one document, and how its sections will read.

An entry point of the group `assistant.commands`, so that the command line need not know this layer's
tools. Without arguments it checks the shipped corpus.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from knowledge.checking.corpus_check import Checked, check_corpus, write_sources_pages
from knowledge.checking.findings import Finding
from knowledge.chinese_text import iter_sentences
from knowledge.discovery import discover
from knowledge.errors import KnowledgeError
from knowledge.passages import Document, Section
from knowledge.settings import shipped

EXIT_OK, EXIT_FINDINGS = 0, 2


def main(argv: Sequence[str] | None = None, today: date | None = None) -> int:
    """Check, print, and return 2 where something has to be mended."""
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    try:
        return _run([Path(path) for path in options.paths], today or date.today(), rewrite=options.sources, notes=options.notes)
    except KnowledgeError as error:
        print(error, file=sys.stderr)
        return EXIT_FINDINGS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant check", description="检查知识库：写法、出处、数字、重复和过期。")
    parser.add_argument("paths", nargs="*", metavar="FILE|FOLDER", help="文件或文件夹；不写就检查自带的知识库")
    parser.add_argument("--sources", action="store_true", help="重写 SOURCES.md（每个来源和以它为依据的章节）")
    parser.add_argument("--notes", action="store_true", help="也列出提示，例如没有用到的事实")
    return parser


def _run(paths: list[Path], today: date, *, rewrite: bool, notes: bool) -> int:
    for path in paths:
        if not path.exists():
            raise KnowledgeError(f"找不到 {path}。")
    corpus = shipped("corpus").resolve()
    whole = any(path.resolve() == corpus for path in paths)
    folders = list(dict.fromkeys([corpus, *(path.resolve() for path in paths if path.is_dir())]))
    files = [path.parent.resolve() / path.name for path in paths if not path.is_dir()]
    outside = [file for file in files if not any(file.is_relative_to(folder) for folder in folders)]
    if rewrite:
        for page in write_sources_pages(folders):
            print(f"已写好 {page}")
    # Whatever is asked about is judged within the whole: its questions and bodies must not be double.
    checked = check_corpus(folders, today, outside)
    names = {_name(file, folders) for file in files}
    wanted = names | {found.name for found in discover(path for path in paths if path.is_dir())}
    findings = [finding for finding in checked.findings if whole or not paths or finding.path in wanted]
    for document in checked.corpus.documents:
        if document.path in names:
            print("\n".join(_preview(document)))
    return _print(findings, checked, notes=notes)


def _name(file: Path, folders: list[Path]) -> str:
    folder = next((folder for folder in folders if file.is_relative_to(folder)), file.parent)
    return file.relative_to(folder).as_posix()


def _print(findings: list[Finding], checked: Checked, *, notes: bool) -> int:
    errors = [finding for finding in findings if finding.severity == "error"]
    remarks = [finding for finding in findings if finding.severity == "note"]
    for finding in [*errors, *(remarks if notes else [])]:
        print(finding)
    documents = checked.corpus.documents
    sections = sum(len(document.sections) for document in documents)
    hint = "" if notes or not remarks else "（--notes 列出）"
    print(f"{len(documents)} 篇文档，{sections} 节：{len(errors)} 处要改，{len(remarks)} 条提示{hint}。")
    return EXIT_FINDINGS if errors else EXIT_OK


def _preview(document: Document) -> Iterator[str]:
    yield f"{document.title}（{document.path}，{len(document.sections)} 节）"
    for section in document.sections:
        yield f"\n  {section.headings[-1] if section.headings else document.title}"
        if section.asks:
            yield f"    还会这样问：{'；'.join(section.asks)}"
        yield f"    第一句：{_first_sentence(document, section)}"
        yield f"    出处：{'、'.join(source.label for source in section.sources) or document.publisher}"
    yield ""


def _first_sentence(document: Document, section: Section) -> str:
    body = document.text[section.start : section.end]
    return next((body[start:end] for start, end in iter_sentences(body)), body)
