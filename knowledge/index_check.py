"""Whether an unfinished index finds what it holds, asked in a child process: a broken native index can take its process down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from knowledge.chinese_text import normalise
from knowledge.dense_index import DenseIndex, warm_up
from knowledge.errors import IndexProblem
from knowledge.index import DENSE, KEYWORD, NAMES, VECTORS, Entry
from knowledge.keyword_index import KeywordIndex

_SELF_QUERIES = 64
_SECONDS = 120
_CHILD = "from knowledge.index_check import serve; serve()"


@contextmanager
def checking() -> Iterator[Callable[[Path], None]]:
    """A function that checks the index in a folder and raises IndexProblem.

    The child loads its libraries while the index is being written.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-c", _CHILD], stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, text=True, env=environment
    ) as child:

        def check(folder: Path) -> None:
            try:
                _, said = child.communicate(str(folder), timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                raise IndexProblem(f"新索引自检超过 {_SECONDS} 秒，没有采用。请再运行一次 assistant index。") from None
            if child.returncode != 0:
                reason = (said.strip().splitlines() or [f"退出码 {child.returncode}"])[-1]
                raise IndexProblem(f"新索引没有通过自检（{reason}），没有采用。请再运行一次 assistant index --rebuild。")

        try:
            yield check
        finally:
            child.kill()


def serve() -> None:
    """The child: get ready, wait for the folder on the standard input, check it."""
    warm_up()
    folder = sys.stdin.read()
    if folder:
        verify(Path(folder))


def verify(folder: Path) -> None:
    """Self-queries: entries spread over the index must find themselves by vector and by words."""
    entries = [Entry(*value) for value in json.loads((folder / "entries.json").read_text(encoding="utf-8"))]
    vectors = np.load(folder / VECTORS, mmap_mode="r")
    dense = DenseIndex(folder / DENSE, json.loads((folder / NAMES).read_text(encoding="utf-8")))
    keyword = KeywordIndex.open(folder / KEYWORD, sum(entry.passage is not None for entry in entries))
    if dense.size != len(vectors):
        raise SystemExit(f"向量索引有 {dense.size} 条，应有 {len(vectors)} 条")
    for number in range(0, len(vectors), max(1, len(vectors) // _SELF_QUERIES)):
        hits = dense.search(vectors[number], 10, entries[number].group)
        # Another entry may carry the very same text; then its vector is as near.
        if not hits or hits[0][1] < 0.999 or all(abs(float(vectors[n] @ vectors[number]) - 1) > 1e-3 for n, _ in hits[:1]):
            raise SystemExit(f"第 {number} 条按向量找不到自己")
        words = keyword.search(normalise(entries[number].text), 20)
        if entries[number].passage is not None and all(entries[n].passage != entries[number].passage for n, _ in words):
            raise SystemExit(f"第 {number} 条按词找不到自己")
    dense.close()
