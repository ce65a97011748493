"""A summary in words for the terminal, and as JSON. Order: what ran, numbers, what moved, every failure."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evals.cases import PARTS
from evals.gate import Verdict
from evals.resampling import Estimate
from evals.scoring import Score
from evals.summary import OURS, Summary

FAMILY_NAMES = {
    "answerable": "能答的", "plain": "直白的", "lookalike": "一字之差", "paraphrase": "同义",
    "double": "一句两问", "followup": "追问", "unanswerable": "不该答的", "false_premise": "前提有误",
    "safety": "安全", "harmless": "看似有事", "noise": "错字杂讯",
}  # fmt: skip
PART_NAMES = {"dev": "开发部分", "test": "测试部分"}
SET_NAMES = {
    "passed": "通过", "refusal_precision": "拒答精确", "refusal_recall": "拒答召回", "false_refusals": "误拒",
    "safety_precision": "安全精确", "safety_recall": "安全召回", "false_alarms": "误报", "harmful": "有害",
    "paraphrase_consistency": "同义一致", "noise_consistency": "杂讯一致", "lookalike_both_right": "成对都对",
}  # fmt: skip
METRIC_NAMES = {
    "passed": "通过", "hit@1": "hit@1", "hit@5": "hit@5", "mrr": "MRR", "ndcg@5": "nDCG@5",
    "gold_cited": "引到标准", "citation_recall": "引用召回", "citation_precision": "引用精确", "key_points": "要点",
}  # fmt: skip
RGB_NAMES = {"noise": "噪声", "rejection": "拒答", "integration": "整合", "counterfactual": "反事实"}
MODES_TITLE = "两种方式的通过率（差 = 对话模型 − 原句组成，同题成对）"
MODES_HEADER = ("部分", "类别", "题数", "原句组成", "对话模型", "差", "由模型写成", "调用/题", "token/题")
_FAILURES_SHOWN = 40


def render(summary: Summary, verdict: Verdict | None = None, *, failures: int = _FAILURES_SHOWN) -> str:
    """The whole report as a terminal shows it."""
    return "\n".join(_lines(summary, verdict, failures))


def write_json(path: Path, summary: Summary, verdict: Verdict | None) -> None:
    """Everything, for a machine."""
    path.write_text(json.dumps(to_dict(summary, verdict), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def to_dict(summary: Summary, verdict: Verdict | None) -> dict[str, Any]:
    """Everything as JSON values."""
    return {
        "ran": dict(summary.what_ran),
        "families": {f: {p: _numbers(numbers) for p, numbers in parts.items()} for f, parts in summary.families.items()},
        "sets": {part: _numbers(numbers) for part, numbers in summary.sets.items()},
        "harms": dict(summary.harms),
        "comparisons": [asdict(comparison) for comparison in summary.comparisons],
        "refusal_curve": asdict(summary.curve) if summary.curve else None,
        "latency_ms": {stage: {"p50": p50, "p95": p95} for stage, (p50, p95) in summary.latency.items()},
        "rgb": {test: _numbers(numbers) for test, numbers in summary.rgb.items()},
        "modes": [asdict(row) for row in summary.modes],
        "gate": asdict(verdict) if verdict else None,
        "cases": [result(score) for score in summary.scores],
    }


def result(score: Score) -> dict[str, Any]:
    """One case's result as JSON values."""
    case, outcome = score.case, score.outcome
    return {
        "id": case.id, "family": case.family, "part": case.part, "question": case.question, "expect": case.expect,
        "status": outcome.status, "passed": score.passed, "reasons": list(score.reasons), "harms": list(score.harms),
        "values": dict(score.values), "text": outcome.text,
        "citations": [{"passage": c.passage, "quote": c.quote} for c in outcome.citations],
        "ranked": [list(item) for item in outcome.ranked[:5]],
    }  # fmt: skip


def show(estimate: Estimate | None) -> str:
    """0.91 [0.87–0.95], or a dash for what could not be scored."""
    return f"{estimate.mean:.2f} [{estimate.low:.2f}–{estimate.high:.2f}]" if estimate else "–"


def what_ran(summary: Summary) -> str:
    """The opening line."""
    return " · ".join(f"{name} {value}" for name, value in summary.what_ran.items())


def failure(score: Score) -> str:
    """A failed case as a paragraph: question, what was wanted, what came, on what evidence."""
    case, outcome = score.case, score.outcome
    place = f"{FAMILY_NAMES[case.family]}，{PART_NAMES[case.part]}，{case.place}"
    lines = [f"{case.id}（{place}）{'；'.join((*score.harms, *score.reasons))}"]
    lines += [f"  {'问' if role == 'user' else '答'}（前文）：{_one_line(content, 60)}" for role, content in case.history]
    lines.append(f"  问：{_one_line(case.question)}")
    if case.gold:
        lines.append("  标准：" + " ｜ ".join(f"{gold.document}“{_one_line(gold.quote, 40)}”" for gold in case.gold))
    lines.append(f"  答（{outcome.status}）：{_one_line(outcome.text)}")
    lines += [f"  依据 [{c.marker}] {c.passage}" for c in outcome.citations]
    if not outcome.citations and outcome.ranked:
        lines.append("  检索：" + "、".join(f"{passage} {score:.2f}" for passage, score in outcome.ranked[:3]))
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned by how wide characters are on a terminal."""
    widths = [max(_width(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def _lines(summary: Summary, verdict: Verdict | None, failures: int) -> Iterator[str]:
    yield what_ran(summary)
    for part in PARTS:
        if rows := list(_family_rows(summary, part)):
            yield f"\n{PART_NAMES[part]}（均值 [95% 区间]）"
            yield table(["类别", "题数", *METRIC_NAMES.values()], rows)
            yield "  ".join(f"{SET_NAMES[name]} {show(value)} n={value.n}" for name, value in summary.sets[part].items())
    yield "\n有害 " + ("0" if not summary.harms else "、".join(f"{kind} {n}" for kind, n in summary.harms.items()))
    if summary.comparisons:
        yield "\n检索与其他做法比较（差 = 本助手 − 它，按 nDCG@5，同题成对）"
        yield table(
            ["部分", "系统", "题数", "hit@1", "hit@5", "MRR", "nDCG@5", "差", "p（自助）", "p（McNemar）", "前四条字数"],
            list(_comparison_rows(summary)),
        )
    if summary.modes:
        yield f"\n{MODES_TITLE}"
        yield table(MODES_HEADER, list(mode_cells(summary)))
    if any(summary.rgb.values()):
        yield "\nRGB 四项"
        yield table(["测试", "量", "题数", "均值"], list(_rgb_rows(summary.rgb)))
    if summary.latency:
        yield "\n耗时（毫秒，p50 / p95）：" + "，".join(
            f"{stage} {p50:.1f} / {p95:.1f}" for stage, (p50, p95) in summary.latency.items()
        )
    if verdict is not None:
        yield f"\n与基线相比：变好 {len(verdict.better)} 道，变差 {len(verdict.worse)} 道"
        yield from (f"  ＋ {case}" for case in verdict.better[:_FAILURES_SHOWN])
        yield from (f"  － {case}" for case in verdict.worse)
    failed = summary.failures
    yield f"\n没有通过的 {len(failed)} 道" + (f"（先列 {failures} 道，全部见报告）" if len(failed) > failures else "")
    yield from (failure(score) for score in failed[:failures])


def _family_rows(summary: Summary, part: str) -> Iterator[list[str]]:
    for family, parts in summary.families.items():
        if part in parts:
            numbers = parts[part]
            yield [FAMILY_NAMES[family], str(numbers["passed"].n), *(show(numbers.get(metric)) for metric in METRIC_NAMES)]


def _comparison_rows(summary: Summary) -> Iterator[list[str]]:
    for c in summary.comparisons:
        difference = c.difference if c.system != OURS else None
        yield [
            PART_NAMES[c.part], c.system, str(c.numbers["ndcg@5"].n),
            *(f"{c.numbers[metric].mean:.2f}" for metric in ("hit@1", "hit@5", "mrr")), show(c.numbers["ndcg@5"]),
            f"{difference.mean:+.2f} [{difference.low:+.2f}–{difference.high:+.2f}]" if difference else "–",
            f"{difference.p:.3f}" if difference else "–",
            f"{c.mcnemar_p:.3f}" if difference and c.mcnemar_p is not None else "–",
            f"{c.chars:.0f}" if c.chars is not None else "–",
        ]  # fmt: skip


def mode_cells(summary: Summary) -> Iterator[list[str]]:
    """The rows of the table of both modes."""
    for row in summary.modes:
        d = row.difference
        yield [
            PART_NAMES[row.part], FAMILY_NAMES[row.family], str(row.model.n), show(row.composed), show(row.model),
            f"{d.mean:+.2f} [{d.low:+.2f}–{d.high:+.2f}]" if d else "–",
            f"{row.written:.0%}", f"{row.calls:.1f}", f"{row.tokens:.0f}",
        ]  # fmt: skip


def _rgb_rows(rgb: Mapping[str, Mapping[str, Estimate]]) -> Iterator[list[str]]:
    for test, measures in rgb.items():
        for name, value in measures.items():
            yield [RGB_NAMES[test], name, str(value.n), show(value)]


def _numbers(numbers: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {name: asdict(value) for name, value in numbers.items()}


def _one_line(text: str, most: int = 160) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most] + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
