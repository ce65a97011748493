"""Has it got worse? The run against a stored baseline, family by family, over the cases both have.

A family is red where it lost more passes than the tolerance allows; so is a document most of whose
questions were lost, which a large family would swallow; so is any harm that was not there before.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.cases import CaseError
from evals.scoring import Score

GATE_FILE = Path(__file__).parent / "baselines" / "gate.json"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a family may lose: the larger of so many cases and so many points in a hundred."""

    cases: int = 1
    points: float = 2.0

    def allows(self, lost: int, n: int) -> bool:
        """Whether losing so many of n passes is still noise."""
        return lost <= max(self.cases, n * self.points / 100)


@dataclass(frozen=True, slots=True)
class Baseline:
    """Which cases passed, and which were harmful, when the baseline was taken."""

    passed: Mapping[str, bool]
    harmful: frozenset[str]
    tolerance: Tolerance
    taken: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that got worse: the family (or document) and the cases to look at."""

    name: str
    detail: str
    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says. `better` and `worse` list every case that moved, alarms or not."""

    alarms: tuple[Alarm, ...]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    new: int
    compared: int

    @property
    def is_open(self) -> bool:
        """Whether the build may go on."""
        return not self.alarms


def judge(scores: Sequence[Score], baseline: Baseline, all_ids: Collection[str] | None = None) -> Verdict:
    """Compare a run with the baseline; `all_ids` are the cases there are, where only some were run."""
    now = {score.case.id: score for score in scores}
    shared = [score for score in scores if score.case.id in baseline.passed]
    worse = [score for score in shared if baseline.passed[score.case.id] and not score.passed]
    better = [score.case.id for score in shared if not baseline.passed[score.case.id] and score.passed]
    alarms = [*_missing(baseline, now.keys() if all_ids is None else all_ids), *_harmful(scores, baseline)]
    alarms += _families(shared, worse, baseline)
    alarms += _documents(shared, worse, baseline)
    return Verdict(
        alarms=tuple(alarms),
        better=tuple(better),
        worse=tuple(score.case.id for score in worse),
        new=len(scores) - len(shared),
        compared=len(shared),
    )


def load_baseline(path: Path) -> Baseline:
    """The stored baseline; raises CaseError where it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Baseline(
            passed={case: passed for cases in value["families"].values() for case, passed in cases.items()},
            harmful=frozenset(value["harmful"]),
            tolerance=Tolerance(**value["tolerance"]),
            taken=value["taken"],
        )
    except FileNotFoundError:
        raise CaseError([f"还没有基线 {path}。先运行 assistant eval --update-baseline。"]) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CaseError([f"基线 {path} 读不了。用 assistant eval --update-baseline 重新生成。"]) from None


def save_baseline(path: Path, scores: Sequence[Score], taken: Mapping[str, Any], tolerance: Tolerance) -> None:
    """Make this run the baseline."""
    families: dict[str, dict[str, bool]] = defaultdict(dict)
    for score in sorted(scores, key=lambda score: score.case.id):
        families[score.case.family][score.case.id] = score.passed
    value = {
        "taken": dict(taken),
        "tolerance": asdict(tolerance),
        "harmful": sorted(score.case.id for score in scores if score.harms),
        "families": families,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def render(verdict: Verdict) -> str:
    """The verdict in words, the cases named."""
    lines = [f"与基线比较 {verdict.compared} 道：变好 {len(verdict.better)}，变差 {len(verdict.worse)}，新题 {verdict.new}。"]
    lines += [f"✗ {alarm.name}：{alarm.detail}。{_names(alarm.cases)}" for alarm in verdict.alarms]
    lines.append("门槛：通过" if verdict.is_open else "门槛：不通过")
    return "\n".join(lines)


def _families(shared: Sequence[Score], worse: Sequence[Score], baseline: Baseline) -> list[Alarm]:
    alarms = []
    for family in dict.fromkeys(score.case.family for score in shared):
        members = [score for score in shared if score.case.family == family]
        before = sum(baseline.passed[score.case.id] for score in members)
        after = sum(score.passed for score in members)
        if not baseline.tolerance.allows(before - after, len(members)):
            lost = tuple(score.case.id for score in worse if score.case.family == family)
            alarms.append(Alarm(family, f"通过从 {before} 降到 {after}（共 {len(members)} 道）", lost))
    return alarms


def _documents(shared: Sequence[Score], worse: Sequence[Score], baseline: Baseline) -> list[Alarm]:
    before: dict[str, set[str]] = defaultdict(set)
    lost: dict[str, list[Score]] = defaultdict(list)
    for score in shared:
        if baseline.passed[score.case.id]:
            for document in {gold.document for gold in score.case.gold}:
                before[document].add(score.case.id)
    for score in worse:
        for document in {gold.document for gold in score.case.gold}:
            lost[document].append(score)
    return [
        Alarm(
            f"{'、'.join(dict.fromkeys(score.case.family for score in scores))}（文档 {document}）",
            f"以它为依据的 {len(before[document])} 道里变差 {len(scores)} 道",
            tuple(score.case.id for score in scores),
        )
        for document, scores in lost.items()
        if len(scores) > max(baseline.tolerance.cases, len(before[document]) / 2)
    ]


def _harmful(scores: Sequence[Score], baseline: Baseline) -> list[Alarm]:
    alarms: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        if score.harms and score.case.id not in baseline.harmful:
            alarms[score.case.family].append(score)
    return [
        Alarm(family, f"新出现有害内容 {len(found)} 道（{found[0].harms[0]}）", tuple(score.case.id for score in found))
        for family, found in alarms.items()
    ]


def _missing(baseline: Baseline, all_ids: Collection[str]) -> list[Alarm]:
    gone = tuple(case for case in baseline.passed if case not in all_ids)
    return [Alarm("题目", f"基线里有 {len(gone)} 道现在没有了，确认后用 --update-baseline", gone)] if gone else []


def _names(cases: Sequence[str], most: int = 12) -> str:
    more = f" 等 {len(cases)} 道" if len(cases) > most else ""
    return "、".join(cases[:most]) + more
