"""One reader for each format, bytes in, blocks out. They run in the child process of `formats` only.

The libraries are imported where they are used: a build without PDF files never loads the PDF parser.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from knowledge.formats.extraction import Block, Extracted

if TYPE_CHECKING:
    from bs4 import Tag

MAX_PAGES, MAX_ROWS, MAX_COLUMNS = 200, 5_000, 50
# Packed office files: more than this unpacked is no document of text, it is a bomb.
MAX_UNPACKED_BYTES, MAX_MEMBERS = 100 * 1024 * 1024, 2_000

_QUESTION = frozenset({"问题", "提问", "标准问题", "question"})
_ANSWER = frozenset({"答案", "回答", "标准答案", "answer"})
_ASKS = frozenset({"其他问法", "相似问法", "asks"})
_SEPARATORS = re.compile(r"[|｜\n]")
_DROPPED = [
    "head", "title", "script", "style", "noscript", "template", "svg", "iframe", "object", "form", "select", "nav", "footer",
]  # fmt: skip
_INVISIBLE_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])", re.I)
_LINE_BREAKERS = frozenset({
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figcaption", "hr", "li", "main", "ol", "p",
    "pre", "section", "table", "tr", "ul",
})  # fmt: skip
_SENTENCE_END = re.compile(r"[。！？；：!?;:.]['”’」』）)]*$")


class Unreadable(Exception):
    """A reason that names what to do, and the row or page where it is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def read_html(raw: bytes) -> Extracted:
    """Headings and visible text; scripts, forms, comments and hidden elements are left out."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(_html_text(raw), "html.parser")
    title = clean(soup.title.get_text()) if soup.title else ""
    for tag in soup.find_all(_DROPPED):
        tag.decompose()
    for tag in soup.find_all(_is_hidden):
        tag.decompose()
    return Extracted(title, tuple(_html_blocks(soup)))


def read_pdf(raw: bytes) -> Extracted:
    """One block a page; the lines of a paragraph are joined again."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(raw))
    if reader.is_encrypted:
        raise Unreadable("PDF 加了密码，请先去掉密码再放进来。")
    if len(reader.pages) > MAX_PAGES:
        raise Unreadable(f"PDF 有 {len(reader.pages)} 页，上限是 {MAX_PAGES} 页，请拆成几份。")
    title = str((reader.metadata and reader.metadata.title) or "")
    pages = ((number, _joined(clean(page.extract_text()))) for number, page in enumerate(reader.pages, start=1))
    return Extracted(clean(title), tuple(Block("", 1, body, number) for number, body in pages if body))


def read_docx(raw: bytes) -> Extracted:
    """Paragraphs under their headings; a row of a table is one line."""
    _check_package(raw)
    import docx
    from docx.table import Table

    document = docx.Document(io.BytesIO(raw))
    pieces: list[tuple[int, str]] = []
    for item in document.iter_inner_content():
        if isinstance(item, Table):
            pieces.extend((0, "，".join(dict.fromkeys(clean(cell.text) for cell in row.cells))) for row in item.rows)
            continue
        level = re.search(r"(?:heading|标题)\s*([1-6])", (item.style.name or "").lower()) if item.style else None
        pieces.append((int(level[1]) if level else 0, item.text))
    return Extracted(clean(document.core_properties.title or ""), tuple(_blocks(pieces)))


def read_csv(raw: bytes) -> Extracted:
    """Question and answer columns; each row becomes a section."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable("不是 UTF-8 编码，请另存为“CSV UTF-8”。", raw.count(b"\n", 0, error.start) + 1) from None
    if "\0" in text:
        raise Unreadable("含有空字符，不像文本文件。")
    csv.field_size_limit(100_000)
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        return _questions((reader.line_num, row) for row in reader)
    except csv.Error:
        raise Unreadable("表格格式有误，常见原因是引号不成对。", reader.line_num) from None


def read_xlsx(raw: bytes) -> Extracted:
    """The first sheet, read row by row without formulas or macros."""
    _check_package(raw)
    import openpyxl

    workbook = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
    try:
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()
        rows = sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS)
        return _questions((number, ["" if cell is None else str(cell) for cell in row]) for number, row in enumerate(rows, 1))
    finally:
        workbook.close()


READERS: dict[str, Callable[[bytes], Extracted]] = {
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".csv": read_csv,
    ".xlsx": read_xlsx,
}


def clean(text: str) -> str:
    """Line ends unified, control characters and lone surrogates dropped, blank lines and edges trimmed."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return "\n".join(filter(None, (re.sub(r"[^\S\n]+", " ", line).strip() for line in text.split("\n"))))


def _questions(rows: Iterable[tuple[int, Sequence[str]]]) -> Extracted:
    numbered = iter(rows)
    _, header = next(numbered, (1, []))
    names = [clean(cell).lower() for cell in header]
    question, answer, asks = (_column(names, known) for known in (_QUESTION, _ANSWER, _ASKS))
    if question is None or answer is None:
        raise Unreadable("第一行要有“问题”和“答案”两列（或 question 和 answer）。", 1)
    blocks: list[Block] = []
    skipped: list[tuple[int, str]] = []
    for number, row in numbered:
        if number > MAX_ROWS:
            raise Unreadable(f"超过 {MAX_ROWS} 行，请拆成几份。", number)
        asked, said = (clean(row[column]) if column < len(row) else "" for column in (question, answer))
        if asked and said:
            others = _SEPARATORS.split(row[asks]) if asks is not None and asks < len(row) else []
            ways = tuple(filter(None, map(clean, others)))
            blocks.append(Block(asked.replace("\n", " "), 2, said, number, ways))
        elif asked or said:
            skipped.append((number, f"这一行缺少{'答案' if asked else '问题'}，没有读。"))
    return Extracted("", tuple(blocks), tuple(skipped))


def _column(names: Sequence[str], known: frozenset[str]) -> int | None:
    return next((number for number, name in enumerate(names) if name in known), None)


def _check_package(raw: bytes) -> None:
    """Refuse a packed file by what its directory declares, before anything is unpacked."""
    try:
        members = zipfile.ZipFile(io.BytesIO(raw)).infolist()
    except zipfile.BadZipFile:
        raise Unreadable("打不开，不是完整的 Office 文件；加了密码的请先去掉密码。") from None
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED_BYTES or len(members) > MAX_MEMBERS:
        raise Unreadable(f"解开有 {unpacked // 2**20} MB、{len(members)} 个部件，超过上限，请检查这个文件。")


def _html_text(raw: bytes) -> str:
    from bs4.dammit import EncodingDetector

    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        declared = EncodingDetector.find_declared_encoding(raw, is_html=True) or ""
    if declared.lower() in ("gb2312", "gbk"):
        declared = "gb18030"
    try:
        return raw.decode(declared)
    except (LookupError, ValueError):
        raise Unreadable("看不出是什么编码，请另存为 UTF-8。") from None


def _is_hidden(tag: Tag) -> bool:
    return tag.has_attr("hidden") or tag.get("aria-hidden") == "true" or bool(_INVISIBLE_STYLE.search(str(tag.get("style", ""))))


def _html_blocks(soup: Tag) -> Iterator[Block]:
    from bs4 import Comment, Tag
    from bs4.element import PreformattedString

    pieces: list[tuple[int, str]] = []
    line: list[str] = []
    inside: Tag | None = None
    for node in soup.descendants:
        if inside is not None and any(parent is inside for parent in node.parents):
            continue
        inside = None
        if isinstance(node, Tag):
            if node.name in _LINE_BREAKERS or re.fullmatch(r"h[1-6]", node.name):
                pieces.append((0, "".join(line)))
                line = []
            if re.fullmatch(r"h[1-6]", node.name):
                pieces.append((int(node.name[1]), node.get_text()))
                inside = node
        elif not isinstance(node, (Comment, PreformattedString)):
            line.append(re.sub(r"\s+", " ", str(node)))
    pieces.append((0, "".join(line)))
    return _blocks(pieces)


def _blocks(pieces: Iterable[tuple[int, str]]) -> Iterator[Block]:
    """Pieces of (heading level or 0, text) gathered under their headings."""
    heading, level, lines = "", 1, list[str]()
    for depth, raw in pieces:
        text = clean(raw)
        if depth == 0:
            lines.extend([text] if text else [])
        elif text:
            if heading or lines:
                yield Block(heading, level, "\n".join(lines))
            heading, level, lines = text.replace("\n", " "), depth, []
    if heading or lines:
        yield Block(heading, level, "\n".join(lines))


def _joined(text: str) -> str:
    """Undo the line breaks of a printed page: a line without a sentence end goes on in the next."""
    joined = ""
    for line in text.split("\n"):
        if joined and not _SENTENCE_END.search(joined) and not joined.endswith("\n"):
            joined += " " if joined[-1].isascii() and line[:1].isascii() else ""
            joined += line
        else:
            joined += ("\n" if joined else "") + line
    return joined
