"""Plots as SVG text, drawn by hand so that a report is one file that opens anywhere."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from evals.resampling import Estimate
from evals.summary import Curve

# Told apart with and without colour vision (Okabe and Ito); ours is the darkest.
COLOURS = ("#0b3d63", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#999999", "#f0e442", "#7a5195", "#444444")
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 90, 20, 16, 46


def grouped_bars(groups: Mapping[str, Mapping[str, Estimate]], series: Sequence[str], *, unit: str) -> str:
    """Bars with intervals: one group a family, one colour a system."""
    bar, gap, height = 9, 16, 300
    size = len(series) * bar + gap
    width = _LEFT + _RIGHT + max(len(groups), 1) * size
    parts = _grid(width, height, [0, 0.25, 0.5, 0.75, 1.0], 1.0, unit)
    for place, (group, values) in enumerate(groups.items()):
        x = _LEFT + gap / 2 + place * size
        for number, name in enumerate(series):
            if (value := values.get(name)) is None:
                continue
            left, top, colour = x + number * bar, _y(value.mean, height), COLOURS[number % len(COLOURS)]
            tip = f"{group} · {name}：{value.mean:.2f} [{value.low:.2f}–{value.high:.2f}]，n={value.n}"
            middle = left + bar / 2
            column = _rect(left, top, bar - 1, _y(0, height) - top, colour)
            whisker = _line((middle, _y(value.low, height)), (middle, _y(value.high, height)), "#000", 1)
            parts.append(f"<g><title>{html.escape(tip)}</title>{column}{whisker}</g>")
        parts.append(f'<text x="{x + (size - gap) / 2:.1f}" y="{height - 26}" text-anchor="middle">{html.escape(group)}</text>')
    return _svg(width, height, parts) + _legend(series)


def refusal_plot(curve: Curve) -> str:
    """Precision against recall of refusing as the threshold moves; the threshold in use and where we really stand."""
    width, height = 520, 360
    parts = _grid(width, height, [0, 0.25, 0.5, 0.75, 1.0], 1.0, "精确")
    points = [(_x(recall, width), _y(precision, height)) for _, precision, recall in curve.points]
    parts.append(_polyline(points, COLOURS[0]))
    below = [point for point in curve.points if point[0] < curve.threshold]
    if below:
        _, precision, recall = below[-1]
        parts.append(
            _dot(
                _x(recall, width),
                _y(precision, height),
                COLOURS[5],
                f"门槛 {curve.threshold}：精确 {precision:.2f}，召回 {recall:.2f}",
            )
        )
    if curve.precision is not None and curve.recall is not None:
        parts.append(
            _dot(
                _x(curve.recall, width),
                _y(curve.precision, height),
                COLOURS[3],
                f"实际：精确 {curve.precision:.2f}，召回 {curve.recall:.2f}",
            )
        )
    for tick in (0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<text x="{_x(tick, width):.1f}" y="{height - 28}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">召回</text>')
    names = ["只看分数，门槛从低到高", f"现用门槛 {curve.threshold:g}", "实际的拒答（还有别的规则）"]
    return _svg(width, height, parts) + _legend(names, (COLOURS[0], COLOURS[5], COLOURS[3]))


def latency_bars(latency: Mapping[str, tuple[float, float]]) -> str:
    """p50 as a bar and p95 as its whisker, one row a stage."""
    row, width = 30, _WIDTH
    height = row * len(latency) + 30
    most = max((p95 for _, p95 in latency.values()), default=1.0) or 1.0
    parts = []
    for number, (stage, (p50, p95)) in enumerate(latency.items()):
        y = 10 + number * row
        scale = (width - _LEFT - 190) / most
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{html.escape(stage)}</text>')
        parts.append(_rect(_LEFT, y, max(p50 * scale, 1), 18, COLOURS[0]))
        parts.append(_line((_LEFT + p50 * scale, y + 9), (_LEFT + p95 * scale, y + 9), COLOURS[5], 3))
        parts.append(f'<text x="{_LEFT + p95 * scale + 8:.1f}" y="{y + 14}">p50 {p50:.1f}，p95 {p95:.1f} 毫秒</text>')
    return _svg(width, height, parts)


def scaling_plot(points: Sequence[tuple[int, float, float]]) -> str:
    """p50 and p95 of a search against the number of passages, on a logarithmic axis."""
    width, height = 620, 340
    most = max(p95 for _, _, p95 in points) * 1.1 or 1.0
    smallest, largest = math.log10(points[0][0]), math.log10(points[-1][0])
    parts = _grid(width, height, [most * share for share in (0, 0.25, 0.5, 0.75, 1.0)], most, "毫秒")

    def x(n: int) -> float:
        return _x((math.log10(n) - smallest) / ((largest - smallest) or 1.0), width)

    for place, colour in ((1, COLOURS[0]), (2, COLOURS[5])):
        parts.append(_polyline([(x(point[0]), _y(point[place] / most, height)) for point in points], colour))
    parts += [f'<text x="{x(n):.1f}" y="{height - 26}" text-anchor="middle">{n:,}</text>' for n, _, _ in points]
    return _svg(width, height, parts) + _legend(["p50", "p95"], (COLOURS[0], COLOURS[5]))


def _grid(width: float, height: float, ticks: Sequence[float], most: float, unit: str) -> list[str]:
    parts = [
        f'<text x="14" y="{height / 2}" transform="rotate(-90 14 {height / 2})" text-anchor="middle">{html.escape(unit)}</text>'
    ]
    for tick in ticks:
        y = _y(tick / most, height)
        parts.append(f'<line x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:.3g}</text>')
    return parts


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _line(start: tuple[float, float], end: tuple[float, float], colour: str, width: int) -> str:
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}" opacity=".7"/>'


def _polyline(points: Sequence[tuple[float, float]], colour: str) -> str:
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _dot(x: float, y: float, colour: str, tip: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}" stroke="#fff"><title>{html.escape(tip)}</title></circle>'


def _x(share: float, width: float) -> float:
    return _LEFT + share * (width - _LEFT - _RIGHT)


def _y(share: float, height: float) -> float:
    return height - _BOTTOM - share * (height - _TOP - _BOTTOM)


def _legend(names: Sequence[str], colours: Sequence[str] = COLOURS) -> str:
    items = (
        f'<span><i style="background:{colours[number % len(colours)]}"></i>{html.escape(name)}</span>'
        for number, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(items)}</p>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img">{"".join(parts)}</svg>'
