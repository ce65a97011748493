"""The child process of `formats`: limits first, then one file after the other, one JSON line each."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from knowledge.formats.extraction import Extracted
from knowledge.formats.readers import READERS, Unreadable

MEMORY_BYTES = 1536 * 1024 * 1024
_CPU_SECONDS = 20
_MAX_CHARS = 1_000_000


def main() -> None:
    """Answer every question on stdin until it closes; nothing a parser prints reaches the answers."""
    _limit()
    logging.disable(logging.CRITICAL)
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        _allow_cpu()
        answer = _answer(Path(json.loads(line)["path"]))
        print(json.dumps(answer), file=answers, flush=True)
        if answer.get("quit"):
            return


def _answer(path: Path) -> dict[str, Any]:
    try:
        extracted = READERS[path.suffix.lower()](path.read_bytes())
    except Unreadable as problem:
        return {"error": str(problem), "line": problem.line}
    except MemoryError:
        return {"error": "读这个文件要的内存太多，请拆成几份或重新导出。", "quit": True}
    except (Exception, RecursionError) as error:  # parsers raise whatever they like on damaged files
        return {"error": f"打不开，文件可能已损坏（{type(error).__name__}），请重新导出。"}
    size = sum(len(block.body) + len(block.heading) for block in extracted.blocks)
    if size > _MAX_CHARS:
        return {"error": f"有 {size} 字，上限是 {_MAX_CHARS} 字，请拆成几份。"}
    return _jsonable(extracted)


def _jsonable(extracted: Extracted) -> dict[str, Any]:
    return {
        "title": extracted.title,
        "blocks": [asdict(block) for block in extracted.blocks],
        "skipped": [list(row) for row in extracted.skipped],
    }


def _limit() -> None:
    """Address space, and no file to be written; where the system has no such limits, time must do."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _allow_cpu() -> None:
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + _CPU_SECONDS, hard))
