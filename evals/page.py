"""The report as one self-contained HTML page: no script, no link, nothing fetched."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from evals.cases import PARTS
from evals.gate import Verdict
from evals.plots import grouped_bars, latency_bars, refusal_plot
from evals.report import (
    FAMILY_NAMES,
    METRIC_NAMES,
    MODES_HEADER,
    MODES_TITLE,
    PART_NAMES,
    RGB_NAMES,
    SET_NAMES,
    mode_cells,
    show,
    what_ran,
)
from evals.resampling import Estimate
from evals.scoring import Score
from evals.summary import OURS, Summary

_STYLE = """
body { font: 15px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; color: #1b1f24;
  max-width: 1080px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.4rem; border-bottom: 1px solid #d0d7de }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto }
td, th { padding: .25rem .6rem; border-bottom: 1px solid #eaeef2; text-align: left; white-space: nowrap }
svg { max-width: 100%; height: auto } svg text { font-size: 12px; fill: #444 } .scroll { overflow-x: auto }
.legend span { margin-right: 1rem; font-size: 13px }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .3em }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .4rem 0; padding: .3rem .8rem } summary { cursor: pointer }
blockquote { margin: .3rem 0; padding-left: .8rem; border-left: 3px solid #d0d7de; white-space: pre-wrap }
.bad { color: #b42318 } .good { color: #067647 } .muted { color: #57606a }
"""


def write_page(path: Path, summary: Summary, verdict: Verdict | None) -> None:
    """Write the page."""
    path.write_text(render_page(summary, verdict), encoding="utf-8")


def render_page(summary: Summary, verdict: Verdict | None) -> str:
    """The page as text."""
    return _page("借呗额度助手评测", "\n".join(_blocks(summary, verdict)))


def write_plot(path: Path, title: str, plot: str) -> None:
    """One plot as a page of its own."""
    path.write_text(_page(title, f"<h1>{_e(title)}</h1>{plot}"), encoding="utf-8")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{_e(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _blocks(summary: Summary, verdict: Verdict | None) -> Iterator[str]:
    yield f"<h1>借呗额度助手评测</h1><p>{_e(what_ran(summary))}</p>"
    for part in PARTS:
        if any(part in parts for parts in summary.families.values()):
            yield f"<h2>{PART_NAMES[part]}</h2>"
            yield _families(summary, part)
            yield _table(
                ["量", "n", "均值 [95% 区间]"], [[SET_NAMES[k], str(v.n), show(v)] for k, v in summary.sets[part].items()]
            )
            yield _quality(summary, part)
    harms = "、".join(f"{_e(kind)} {n}" for kind, n in summary.harms.items())
    yield f"<h2>有害</h2><p class='{'bad' if harms else 'good'}'>{harms or '没有'}</p>"
    if summary.comparisons:
        yield "<h2>与其他做法比较</h2><p class='muted'>差 = 本助手 − 它，按 nDCG@5，同题成对；只比检索。</p>" + _comparisons(
            summary
        )
    if summary.modes:
        yield f"<h2>{MODES_TITLE}</h2>" + _table(MODES_HEADER, list(mode_cells(summary)))
    if summary.curve:
        yield f"<h2>拒答曲线</h2><div class='scroll'>{refusal_plot(summary.curve)}</div>"
    if any(summary.rgb.values()):
        rows = [
            [RGB_NAMES[test], name, str(v.n), show(v)] for test, measures in summary.rgb.items() for name, v in measures.items()
        ]
        yield "<h2>RGB 四项</h2>" + _table(["测试", "量", "n", "均值 [95% 区间]"], rows)
    if summary.latency:
        yield f"<h2>耗时</h2><div class='scroll'>{latency_bars(summary.latency)}</div>"
    if verdict is not None:
        yield _moved(summary, verdict)
    failed = summary.failures
    yield f"<h2>没有通过的 {len(failed)} 道</h2>" + "".join(map(_failure, failed))


def _families(summary: Summary, part: str) -> str:
    rows = [
        [FAMILY_NAMES[family], str(parts[part]["passed"].n), *(show(parts[part].get(metric)) for metric in METRIC_NAMES)]
        for family, parts in summary.families.items()
        if part in parts
    ]
    return _table(["类别", "题数", *METRIC_NAMES.values()], rows)


def _quality(summary: Summary, part: str) -> str:
    """nDCG@5 by family against every other system, or our own share of passes where nothing was compared."""
    chosen = [c for c in summary.comparisons if c.part == part]
    if chosen:
        series = [c.system for c in chosen]
        groups: dict[str, dict[str, Estimate]] = {}
        for comparison in chosen:
            for family, value in comparison.by_family.items():
                groups.setdefault(FAMILY_NAMES[family], {})[comparison.system] = value
        return f"<div class='scroll'>{grouped_bars(groups, series, unit='nDCG@5')}</div>"
    own = {FAMILY_NAMES[family]: {OURS: parts[part]["passed"]} for family, parts in summary.families.items() if part in parts}
    return f"<div class='scroll'>{grouped_bars(own, [OURS], unit='通过率')}</div>"


def _comparisons(summary: Summary) -> str:
    rows = []
    for c in summary.comparisons:
        d = c.difference if c.system != OURS else None
        rows.append([
            PART_NAMES[c.part], c.system, str(c.numbers["ndcg@5"].n),
            *(show(c.numbers[metric]) for metric in ("hit@1", "hit@5", "mrr", "ndcg@5")),
            f"{d.mean:+.3f} [{d.low:+.3f}–{d.high:+.3f}]" if d else "–", f"{d.p:.3f}" if d else "–",
            f"{c.mcnemar_p:.3f}" if d and c.mcnemar_p is not None else "–", f"{c.chars:.0f}" if c.chars is not None else "–",
        ])  # fmt: skip
    header = [
        "部分",
        "系统",
        "n",
        "hit@1",
        "hit@5",
        "MRR",
        "nDCG@5",
        "差",
        "p（自助）",
        "p（McNemar, hit@1）",
        "前四条字数（中位）",
    ]
    return _table(header, rows)


def _moved(summary: Summary, verdict: Verdict) -> str:
    questions = {score.case.id: score.case.question for score in summary.scores}
    alarms = "".join(f"<p class='bad'>{_e(alarm.name)}：{_e(alarm.detail)}</p>" for alarm in verdict.alarms)
    moved = "".join(
        f"<li class='{css}'>{sign} {_e(case)} {_e(questions.get(case, ''))}</li>"
        for sign, css, cases in (("－", "bad", verdict.worse), ("＋", "good", verdict.better))
        for case in cases
    )
    counts = f"变好 {len(verdict.better)} 道，变差 {len(verdict.worse)} 道，新题 {verdict.new} 道。"
    return f"<h2>与基线相比</h2>{alarms}<p>{counts}</p><ul>{moved}</ul>"


def _failure(score: Score) -> str:
    case, outcome = score.case, score.outcome
    history = "".join(
        f"<p class='muted'>{'问' if role == 'user' else '答'}（前文）：{_e(content)}</p>" for role, content in case.history
    )
    gold = "".join(f"<p>标准：{_e(gold.document)}<blockquote>{_e(gold.quote)}</blockquote></p>" for gold in case.gold)
    evidence = "".join(f"<p>[{c.marker}] {_e(c.passage)}<blockquote>{_e(c.quote)}</blockquote></p>" for c in outcome.citations)
    ranked = "、".join(f"{_e(passage)} {value:.2f}" for passage, value in outcome.ranked[:5])
    reasons = "；".join((*score.harms, *score.reasons))
    place = f"{FAMILY_NAMES[case.family]}，{PART_NAMES[case.part]}，{case.place}，应为 {case.expect}，得到 {outcome.status}"
    return (
        f"<details><summary><b>{_e(case.id)}</b> {_e(case.question)} <span class='bad'>{_e(reasons)}</span></summary>"
        f"<p class='muted'>{_e(place)}</p>{history}{gold}<p>回答</p><blockquote>{_e(outcome.text)}</blockquote>"
        f"{evidence}<p class='muted'>检索：{ranked}</p></details>"
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{_e(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _e(text: str) -> str:
    return html.escape(str(text))
