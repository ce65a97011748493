"""HTML, PDF, Word and question/answer tables as Documents, parsed in a child process with limits.

A parser of such a format may crash, loop or eat all memory on a hostile file; here that costs one
child and a named reason, never the build. The child (`formats.child`) answers one JSON line a file.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from knowledge.errors import DocumentError
from knowledge.passages import Document, Section

FORMAT_SUFFIXES = (".html", ".htm", ".pdf", ".docx", ".csv", ".xlsx")
MAX_TEXT_BYTES, MAX_BINARY_BYTES = 2 * 1024 * 1024, 20 * 1024 * 1024
_TEXTUAL = frozenset({".html", ".htm", ".csv"})
# A file may take this long; once hostile files have used up the budget, the rest gets little.
_FILE_SECONDS, _BUDGET_SECONDS, _LEAST_SECONDS = 10.0, 30.0, 1.5
_START_SECONDS = 20.0  # importing the parsers on a cold disk


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of text under one heading; `line` is its line, row or page in the file."""

    heading: str
    level: int
    body: str
    line: int = 1
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a file says, and what in it could not be used: (row, reason)."""

    title: str
    blocks: tuple[Block, ...]
    skipped: tuple[tuple[int, str], ...] = ()


def extract(files: Iterable[tuple[Path, str]]) -> Generator[Extracted | DocumentError, None, None]:
    """The content, or the reason why not, of every (path, name), in order; one child for as long as it lives."""
    child: _Child | None = None
    budget = _BUDGET_SECONDS
    try:
        for path, name in files:
            if (reason := _too_big(path)) is not None:
                yield DocumentError(name, reason)
                continue
            child = child or _Child()
            started = time.monotonic()
            answer = child.ask(path, max(_LEAST_SECONDS, min(_FILE_SECONDS, budget)))
            if answer is None or answer.get("quit"):
                budget -= time.monotonic() - started
                child.stop()
                child = None
            yield _content(answer, name)
    finally:
        if child is not None:
            child.stop()


def to_document(extracted: Extracted, name: str) -> Document:
    """A Document whose text is the extracted text, so that every offset can be checked against it."""
    stem = Path(name).stem
    text, sections = "", []
    path: list[tuple[int, str]] = []
    for number, block in enumerate(extracted.blocks):
        if block.heading:
            path = [(level, words) for level, words in path if level < block.level] + [(block.level, block.heading)]
            text += f"{'#' * block.level} {block.heading}\n\n"
        if not block.body:
            continue
        start = len(text)
        text += f"{block.body}\n\n"
        sections.append(
            Section(
                id=str(number + 1),
                headings=tuple(words for _, words in path),
                start=start,
                end=start + len(block.body),
                line=block.line,
                asks=block.asks,
            )
        )
    if not sections:
        raise DocumentError(name, "没有能读出来的文字；如果是扫描件，请先做文字识别。")
    return Document(
        id=stem,
        path=name,
        text=text,
        title=extracted.title or stem,
        source_type="guidance",
        publisher="知识库文件",
        date=None,
        review_by=None,
        url=None,
        caution=None,
        sections=tuple(sections),
    )


def _too_big(path: Path) -> str | None:
    limit = MAX_TEXT_BYTES if path.suffix.lower() in _TEXTUAL else MAX_BINARY_BYTES
    try:
        size = path.stat().st_size
    except OSError as error:
        return f"读不了这个文件（{error.strerror}），请检查权限。"
    return None if size <= limit else f"文件有 {size // 1024} KB，上限是 {limit // 1024} KB，请拆成几份。"


def _content(answer: dict[str, Any] | None, name: str) -> Extracted | DocumentError:
    if answer is None:
        return DocumentError(name, "读这个文件花了太久，或让读取进程中断了；它可能已损坏，请重新导出。")
    if "error" in answer:
        return DocumentError(name, answer["error"], answer.get("line"))
    blocks = tuple(Block(**{**block, "asks": tuple(block["asks"])}) for block in answer["blocks"])
    return Extracted(answer["title"], blocks, tuple((line, reason) for line, reason in answer["skipped"]))


class _Child:
    """The process that parses. It is started with a clean line of pipes and killed without regret."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONIOENCODING": "utf-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",  # each thread reserves address space, which is limited
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-c", "from knowledge.formats.child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("both were asked for")
        self._stdin = self._process.stdin
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=_pump, args=(self._process.stdout, self._lines), daemon=True)
        self._reader.start()
        self._lines_ready = self._read(_START_SECONDS) is not None

    def ask(self, path: Path, seconds: float) -> dict[str, Any] | None:
        """The child's answer about one file; None where there is none in time."""
        if not self._lines_ready:
            return None
        try:
            self._stdin.write(json.dumps({"path": str(path)}).encode() + b"\n")
            self._stdin.flush()
        except OSError:
            return None
        return self._read(seconds)

    def stop(self) -> None:
        """End the child, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # an unsent question to a dead child

    def _read(self, seconds: float) -> dict[str, Any] | None:
        try:
            line = self._lines.get(timeout=seconds)
            answer = json.loads(line)
        except (queue.Empty, ValueError):
            return None
        return answer if isinstance(answer, dict) else None


def _pump(pipe: IO[bytes], lines: queue.Queue[bytes]) -> None:
    for line in pipe:
        lines.put(line)
    lines.put(b"")  # the child has ended: whoever waits need not wait longer
