"""A folder full of hostile files: every good one is read, every bad one named, in bounded time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from knowledge.documents import load_corpus
from tests.knowledge.sample_files import bomb_pdf, docx, package, pdf, xlsx

MEGABYTE = 1024 * 1024
GOOD = "---\nid: {id}\n---\n## 借呗额度会变吗？\n会，额度由系统重新评估，以页面为准。\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    return corpus


def write_good(folder: Path) -> set[str]:
    (folder / "good.md").write_text(GOOD.format(id="good"), encoding="utf-8")
    (folder / "bom.md").write_bytes(b"\xef\xbb\xbf" + GOOD.format(id="bom").encode())
    (folder / "crlf.md").write_bytes(GOOD.format(id="crlf").replace("\n", "\r\n").encode())
    (folder / "good.csv.csv").write_text("问题,答案,答案,\n甲,乙,丙,丁\n", encoding="utf-8")
    (folder / "page.html").write_text("<p>额度会变化。</p><script>while(1){}</script>", encoding="utf-8")
    (folder / "word.docx").write_bytes(docx([("Heading1", "标题"), ("Normal", "额度会变化。")]))
    (folder / "table.xlsx").write_bytes(xlsx([["question", "answer"], ["甲", "乙"]]))
    (folder / "guide.pdf").write_bytes(pdf(["额度会变化。"]))
    header = '---\nid: phone\ntitle: "0571"\npublisher: 0571\ndate: 2024-01-01\n---\n'
    (folder / "phone.md").write_text(header + "正文。\n", encoding="utf-8")
    return {"good", "bom", "crlf", "good.csv", "page", "word", "table", "guide", "phone"}


def write_bad(folder: Path) -> dict[str, str]:
    """Twenty-five bad files, each with a word its reason must hold."""
    laughs = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 12))
    texts = {
        "gbk.md": GOOD.format(id="gbk").encode("gbk"),
        "gb18030.txt": "额度会变化。𠮷".encode("gb18030"),
        "utf16.md": GOOD.format(id="utf16").encode("utf-16"),
        "nul.md": GOOD.format(id="nul").replace("额度", "额\0度").encode(),
        "binary.md": bytes(range(256)) * 64,
        "huge.md": b"line of text\n" * (50 * MEGABYTE // 13),
        "one-line.txt": b"x" * (50 * MEGABYTE),
        "empty.md": b"",
        "same-a.md": GOOD.format(id="same").encode(),
        "same-b.md": GOOD.format(id="same").encode(),
        "number.md": b"---\nphone: 0571\n---\ntext.\n",
        "date.md": "---\ndate: 2024-1-1\n---\n正文。\n".encode(),
        "python.md": '---\ntitle: !!python/object/apply:os.system ["touch pwned"]\n---\n正文。\n'.encode(),
        "laughs.md": f"---\nx0: &x0 [a]\n{laughs}---\n正文。\n".encode(),
        "nested.md": b"---\ntitle: " + b"[" * 20_000 + b"\n---\ntext.\n",
        "nested-small.md": b"---\ntitle: " + b"[" * 15_000 + b"\n---\ntext.\n",
        "bomb.docx": package({"word/document.xml": b" " * (200 * MEGABYTE)}),
        "bomb.xlsx": package({"xl/workbook.xml": b" " * (200 * MEGABYTE)}),
        "members.docx": package({f"word/{n}.xml": b"" for n in range(3_000)}),
        "secret.pdf": pdf(["x"], encrypted=True),
        "pages.pdf": pdf(["x"] * 10_000),
        "broken.pdf": pdf(["x"])[:200],
        "bomb.pdf": bomb_pdf(400 * MEGABYTE),
        "odd.csv": '甲,乙,丙\n"没有结束的引号,丁\n'.encode(),
    }
    for name, raw in texts.items():
        (folder / name).write_bytes(raw)
    (folder / "passwd.md").symlink_to("/etc/passwd")
    (folder.parent / "outside.md").write_text(GOOD.format(id="outside"), encoding="utf-8")
    (folder / "up.md").symlink_to("../outside.md")
    (folder / "loop.md").symlink_to("loop.md")
    (folder / ".hidden.md").write_text(GOOD.format(id="hidden"), encoding="utf-8")
    os.mkfifo(folder / "pipe.md")
    return {
        "gbk.md": "UTF-8", "gb18030.txt": "UTF-8", "utf16.md": "UTF-8", "nul.md": "空字符", "binary.md": "UTF-8",
        "huge.md": "上限", "one-line.txt": "上限", "empty.md": "没有正文", "same-b.md": "same-a.md", "number.md": "phone",
        "date.md": "2024-1-1", "python.md": "title", "laughs.md": "x0", "nested.md": "上限", "nested-small.md": "YAML",
        "bomb.docx": "200 MB", "bomb.xlsx": "200 MB", "members.docx": "3000 个部件", "secret.pdf": "密码",
        "pages.pdf": "10000 页", "broken.pdf": "", "bomb.pdf": "", "odd.csv": "两列", "passwd.md": "之外", "up.md": "之外",
        "loop.md": "链接", ".hidden.md": "隐藏", "pipe.md": "管道",
    }  # fmt: skip


# Reads in a process of its own: a high-water mark of this one, and of every child it ever had, is not the reader's.
READ = """
import json, resource, sys, time
from pathlib import Path
from knowledge.documents import load_corpus
started = time.monotonic()
corpus = load_corpus([Path(sys.argv[1])])
seconds = time.monotonic() - started
own = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({
    "seconds": seconds,
    "kilobytes": max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss),
    "documents": [document.id for document in corpus.documents],
    "texts": "".join(document.text for document in corpus.documents),
    "problems": {problem.path: str(problem) for problem in corpus.problems},
}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="memory is read from /proc")
def test_bad_files_are_named_and_good_ones_read_in_bounded_time_and_memory(folder: Path) -> None:
    good, bad = write_good(folder), write_bad(folder)
    run = subprocess.run([sys.executable, "-c", READ, str(folder)], capture_output=True, text=True, check=True)
    read = json.loads(run.stdout)
    assert read["seconds"] < 60
    assert read["kilobytes"] * 1024 <= 1536 * MEGABYTE
    assert set(read["documents"]) == good | {"same"}
    assert set(read["problems"]) == set(bad)
    assert {name: reason for name, reason in read["problems"].items() if bad[name] not in reason} == {}
    assert not (folder / "pwned").exists()
    assert "root:" not in read["texts"]


def test_a_value_of_the_front_matter_stays_as_it_was_typed(folder: Path) -> None:
    write_good(folder)
    phone = next(document for document in load_corpus([folder]).documents if document.id == "phone")
    assert (phone.title, phone.publisher, phone.date) == ("0571", "0571", "2024-01-01")


def test_a_thousand_tiny_files_are_read_quickly(folder: Path) -> None:
    for number in range(1_000):
        (folder / f"n{number}.md").write_text(GOOD.format(id=f"n{number}"), encoding="utf-8")
    started = time.monotonic()
    assert len(load_corpus([folder]).documents) == 1_000
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "text",
    ["# a" + "#" * 500_000 + "b\n", "# a\n" * 200_000, "<!--" * 200_000 + "\n", "# 甲\n" + " " * 1_000_000],
    ids=["closing-marks", "headings", "comments", "blanks"],
)
def test_no_shape_of_text_takes_long(folder: Path, text: str) -> None:
    (folder / "shape.md").write_text(text + "正文。\n", encoding="utf-8")
    started = time.monotonic()
    assert len(load_corpus([folder]).documents) == 1
    assert time.monotonic() - started < 5
