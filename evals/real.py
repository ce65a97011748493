"""Outside questions through the assistant: what becomes of them, and how fast. Nothing of the file is kept here."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant import Answer, AssistantError
from evals.cases import CaseError
from evals.metrics import percentile
from evals.report import table
from evals.runner import progress_bar
from evals.workbench import Workbench

STATUSES = ("answered", "partial", "clarify", "refused", "safety", "error")


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one outside question."""

    topic: str
    question: str
    status: str
    text: str
    sources: tuple[str, ...]
    milliseconds: float


def load_questions(path: Path) -> list[tuple[str, str]]:
    """(topic, question) from a two-column TSV; raises CaseError naming the lines that are not."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CaseError([f"读不了 {path}（{error.strerror}）。"]) from None
    except UnicodeDecodeError:
        raise CaseError([f"{path} 不是 UTF-8 编码，请另存为 UTF-8。"]) from None
    rows = [(number, line.split("\t")) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if problems := [
        f"{path.name} 第 {number} 行：应当是两列，主题和问题，用制表符分开。" for number, row in rows if len(row) != 2
    ]:
        raise CaseError(problems)
    return [(row[0].strip(), row[1].strip()) for _, row in rows]


def draw(questions: Sequence[tuple[str, str]], n: int | None, seed: int) -> list[tuple[str, str]]:
    """Up to n questions drawn at random, the same ones for the same seed."""
    if n is None or n >= len(questions):
        return list(questions)
    return random.Random(seed).sample(list(questions), n)  # noqa: S311


def ask_all(questions: Sequence[tuple[str, str]], bench: Workbench, *, show: bool = True) -> list[Reply]:
    """Every question asked once."""
    assistant = bench.assistant_over(bench.retriever)
    replies = []
    for topic, question in progress_bar(questions, "提问", show):
        try:
            replies.append(_reply(topic, question, assistant.ask(question)))
        except AssistantError as error:
            replies.append(Reply(topic, question, "error", str(error), (), 0.0))
    return replies


def render(replies: Sequence[Reply]) -> str:
    """Status shares by topic, and how long it took."""
    by_topic: dict[str, list[Reply]] = defaultdict(list)
    for reply in replies:
        by_topic[reply.topic].append(reply)
    groups = [*sorted(by_topic.items(), key=lambda item: -len(item[1])), ("合计", list(replies))]
    rows = [[topic, str(len(members)), *_shares(members)] for topic, members in groups]
    taken = [reply.milliseconds for reply in replies if reply.status != "error"]
    p50, p95 = percentile(taken, 50) or 0.0, percentile(taken, 95) or 0.0
    return table(["主题", "题数", *STATUSES], rows) + f"\n耗时 p50 {p50:.1f} 毫秒，p95 {p95:.1f} 毫秒"


def write_pairs(path: Path, replies: Sequence[Reply]) -> None:
    """Questions and answers as Markdown, with room for a grade."""
    blocks = [
        f"## {number}. {reply.question}\n\n主题 {reply.topic} · 状态 {reply.status} · 出处 {'、'.join(reply.sources) or '无'}\n\n"
        f"{reply.text}\n\n评分：\n"
        for number, reply in enumerate(replies, start=1)
    ]
    path.write_text("\n".join(blocks), encoding="utf-8")


def _reply(topic: str, question: str, answer: Answer) -> Reply:
    sources = tuple(citation.passage_id for citation in answer.citations)
    return Reply(topic, question, answer.status, answer.text, sources, (answer.timings_ms or {}).get("total", 0.0))


def _shares(replies: Sequence[Reply]) -> list[str]:
    counts = Counter(reply.status for reply in replies)
    return [f"{counts[status] / len(replies):.0%}" for status in STATUSES]
