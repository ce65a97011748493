"""Small files of every format the corpus reads, good and hostile, built without the libraries that read them."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence


def pdf(pages: Sequence[str], *, encrypted: bool = False) -> bytes:
    """A PDF with one line of text a page; a ToUnicode map carries any character."""
    letters = sorted({c for page in pages for c in page})
    codes = {letter: number + 1 for number, letter in enumerate(letters)}
    mapping = "\n".join(f"<{code:02X}> <{ord(letter):04X}>" for letter, code in codes.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n"
        "1 begincodespacerange <00> <FF> endcodespacerange\n"
        f"{len(codes)} beginbfchar\n{mapping}\nendbfchar endcmap end end"
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 4 0 R >>",
        _stream(cmap.encode()),
    ]
    kids = []
    for page in pages:
        shown = "".join(f"{codes[letter]:02X}" for letter in page)
        objects.append(_stream(f"BT /F1 12 Tf 72 720 Td <{shown}> Tj ET".encode()))
        content = len(objects)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % content
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    if encrypted:
        objects.append(b"<< /Filter /Standard /V 1 /R 2 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> /P -4 >>")
    return _assemble(objects, f"/Encrypt {len(objects)} 0 R /ID [<41> <41>]" if encrypted else "")


def bomb_pdf(unpacked: int) -> bytes:
    """A PDF whose page content unpacks to very much more than the file."""
    content = zlib.compress(b" " * unpacked, 9)
    return _assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(content) + content + b"\nendstream",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R >>",
        ],
        "",
    )


def docx(paragraphs: Sequence[tuple[str, str]]) -> bytes:
    """A Word file of (style, text); styles are "Heading1" or "Normal"."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>' for style, text in paragraphs
    )
    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{id_}"><w:name w:val="{name}"/></w:style>'
        for id_, name in (("Normal", "Normal"), ("Heading1", "heading 1"))
    )
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    return package(
        {
            "[Content_Types].xml": _types(
                {"/word/document.xml": f"{kind}.document.main+xml", "/word/styles.xml": f"{kind}.styles+xml"}
            ),
            "_rels/.rels": _relations({"officeDocument": "word/document.xml"}),
            "word/_rels/document.xml.rels": _relations({"styles": "styles.xml"}),
            "word/document.xml": f"<w:document {w}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {w}>{styles}</w:styles>",
        }
    )


def xlsx(rows: Sequence[Sequence[str]]) -> bytes:
    """A workbook of one sheet with the strings in line."""
    cells = "".join(
        f'<row r="{number}">' + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>"
        for number, row in enumerate(rows, start=1)
    )
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    r = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return package(
        {
            "[Content_Types].xml": _types(
                {"/xl/workbook.xml": f"{kind}.sheet.main+xml", "/xl/worksheets/sheet1.xml": f"{kind}.worksheet+xml"}
            ),
            "_rels/.rels": _relations({"officeDocument": "xl/workbook.xml"}),
            "xl/_rels/workbook.xml.rels": _relations({"worksheet": "worksheets/sheet1.xml"}),
            "xl/workbook.xml": f'<workbook {main} {r}><sheets><sheet name="a" sheetId="1" r:id="r0"/></sheets></workbook>',
            "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{cells}</sheetData></worksheet>",
        }
    )


def package(members: Mapping[str, str | bytes]) -> bytes:
    """A zip container, as Office files are."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return raw.getvalue()


def _types(parts: Mapping[str, str]) -> str:
    overrides = "".join(f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in parts.items())
    return (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _relations(targets: Mapping[str, str]) -> str:
    base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    entries = "".join(
        f'<Relationship Id="r{number}" Type="{base}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets.items())
    )
    return f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{entries}</Relationships>'


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n" % len(content) + content + b"\nendstream"


def _assemble(objects: Sequence[bytes], trailer: str) -> bytes:
    raw = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(raw))
        raw += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    start = len(raw)
    raw += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    raw += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    raw += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(raw)
