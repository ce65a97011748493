"""Scores of a run → the numbers of its report, each with n and interval, the two parts never mixed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.cases import FAMILIES, PARTS
from evals.metrics import consistency, percentile, refusal_curve
from evals.resampling import Difference, Estimate, estimate, mcnemar, paired_difference
from evals.scoring import Score
from knowledge.reranking import shipped_reranker

Numbers = Mapping[str, Estimate]
SystemValues = Mapping[str, Mapping[str, Mapping[str, float]]]
COMPARED = ("hit@1", "hit@5", "mrr", "ndcg@5")
OURS = "本助手"
_METRICS = (
    "passed", "hit@1", "hit@3", "hit@5", "mrr", "ndcg@5",
    "gold_cited", "gold_first", "citation_recall", "citation_precision", "key_points",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system against ours on the same cases of one part."""

    system: str
    part: str
    numbers: Numbers
    difference: Difference | None
    mcnemar_p: float | None
    by_family: Numbers
    chars: float | None


@dataclass(frozen=True, slots=True)
class ModeRow:
    """One family in one part, answered by the chat model and composed without it, on the same cases.

    `written`: the share of answers in the model's words. `calls` and `tokens` are means per question.
    """

    family: str
    part: str
    composed: Estimate
    model: Estimate
    difference: Difference | None
    written: float
    calls: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Refusing by the best passage's score: the (threshold, precision, recall) points, and where we stand on it."""

    points: tuple[tuple[float, float, float], ...]
    threshold: float
    precision: float | None
    recall: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything a report says; `what_ran` opens it, `scores` hold every single result."""

    what_ran: Mapping[str, Any]
    scores: tuple[Score, ...]
    families: Mapping[str, Mapping[str, Numbers]]
    sets: Mapping[str, Numbers]
    comparisons: tuple[Comparison, ...]
    curve: Curve | None
    latency: Mapping[str, tuple[float, float]]
    rgb: Mapping[str, Mapping[str, Estimate]]
    modes: tuple[ModeRow, ...] = ()

    @property
    def failures(self) -> list[Score]:
        """Every case with something to object to, harmful ones first."""
        return sorted((score for score in self.scores if not score.passed), key=lambda score: not score.harms)

    @property
    def harms(self) -> Counter[str]:
        """Harmful findings by kind."""
        return Counter(harm.partition("：")[0] for score in self.scores for harm in score.harms)


def summarise(
    scores: Sequence[Score],
    what_ran: Mapping[str, Any],
    systems: SystemValues | None = None,
    rgb: Mapping[str, Mapping[str, Estimate]] | None = None,
    composed: Sequence[Score] = (),
) -> Summary:
    """All numbers of one run; `composed` are the same cases without the chat model, where there is one."""
    return Summary(
        what_ran=what_ran,
        scores=tuple(scores),
        families=by_family(scores),
        sets={part: set_numbers([score for score in scores if score.case.part == part]) for part in PARTS},
        comparisons=tuple(
            comparison
            for part in PARTS
            for name, values in (systems or {}).items()
            if (comparison := compare(name, part, values, (systems or {}).get(OURS, {}), scores)) is not None
        ),
        curve=_curve(scores),
        latency=latencies(scores),
        rgb=rgb or {},
        modes=tuple(mode_rows(scores, composed)),
    )


def by_family(scores: Sequence[Score]) -> dict[str, dict[str, Numbers]]:
    """Family → part → metric → estimate; an errored case counts as not passed and in nothing else."""
    found: dict[str, dict[str, Numbers]] = {}
    for family in FAMILIES:
        for part in PARTS:
            chosen = [score for score in scores if score.case.family == family and score.case.part == part]
            if chosen:
                found.setdefault(family, {})[part] = _numbers(chosen)
    return found


def set_numbers(scores: Sequence[Score]) -> Numbers:
    """What only a whole set has: precision and recall of refusing and of warning, consistency over pairs."""
    judged = [score for score in scores if score.case.expect in ("answer", "refuse") and score.outcome.error is None]
    refused = _is_status("refused")
    warned = _is_status("safety")
    clear = [score for score in scores if score.case.expect != "clarify_ok" and score.outcome.error is None]
    harmless = [score for score in clear if score.case.family == "harmless"]
    values = {
        "passed": [float(score.passed) for score in scores],
        "refusal_precision": [_expects("refuse", score) for score in judged if refused(score)],
        "refusal_recall": [float(refused(score)) for score in judged if score.case.expect == "refuse"],
        "false_refusals": [float(refused(score)) for score in judged if score.case.expect == "answer"],
        "safety_precision": [_expects("safety", score) for score in clear if warned(score)],
        "safety_recall": [float(warned(score)) for score in clear if score.case.expect == "safety"],
        "false_alarms": [float(warned(score)) for score in harmless],
        "harmful": [float(bool(score.harms)) for score in scores],
        "paraphrase_consistency": _pairs(scores, "paraphrase", _same),
        "noise_consistency": _pairs(scores, "noise", _same),
        "lookalike_both_right": _pairs(scores, "lookalike", lambda members: float(all(score.passed for score in members))),
    }
    return _estimates(values)


def compare(
    name: str,
    part: str,
    theirs: Mapping[str, Mapping[str, float]],
    ours: Mapping[str, Mapping[str, float]],
    scores: Sequence[Score],
) -> Comparison | None:
    """Ranking of another system on the cases of one part, and how sure it is that ours differs (nDCG@5, hit@1).

    Both were asked the same standalone questions, so retrieval is all that differs.
    """
    shared = [s.case for s in scores if s.case.part == part and s.case.id in theirs and s.case.id in ours]
    if not shared:
        return None
    values, own = [theirs[case.id] for case in shared], [ours[case.id] for case in shared]
    families: dict[str, list[float]] = {
        family: [v["ndcg@5"] for case, v in zip(shared, values, strict=True) if case.family == family] for family in FAMILIES
    }
    return Comparison(
        system=name,
        part=part,
        numbers=_estimates({metric: [v[metric] for v in values] for metric in COMPARED}),
        difference=paired_difference([v["ndcg@5"] for v in own], [v["ndcg@5"] for v in values]),
        mcnemar_p=mcnemar([v["hit@1"] == 1 for v in own], [v["hit@1"] == 1 for v in values]),
        by_family=_estimates(families),
        chars=percentile([v["chars@4"] for v in values if "chars@4" in v], 50),
    )


def mode_rows(scores: Sequence[Score], composed: Sequence[Score]) -> Iterator[ModeRow]:
    """What the chat model changes, family by family."""
    without = {score.case.id: score for score in composed}
    for part in PARTS:
        for family in FAMILIES:
            pairs = [
                (score, without[score.case.id])
                for score in scores
                if (score.case.part, score.case.family) == (part, family) and score.case.id in without
            ]
            ours = estimate([float(other.passed) for _, other in pairs])
            models = estimate([float(score.passed) for score, _ in pairs])
            if ours is None or models is None:
                continue
            outcomes = [score.outcome for score, _ in pairs]
            yield ModeRow(
                family=family,
                part=part,
                composed=ours,
                model=models,
                difference=paired_difference(
                    [float(score.passed) for score, _ in pairs], [float(other.passed) for _, other in pairs]
                ),
                written=sum(outcome.mode != "composed" for outcome in outcomes) / len(outcomes),
                calls=sum(outcome.usage.get("calls", 0) for outcome in outcomes) / len(outcomes),
                tokens=sum(o.usage.get("input_tokens", 0) + o.usage.get("output_tokens", 0) for o in outcomes) / len(outcomes),
            )


def latencies(scores: Sequence[Score]) -> dict[str, tuple[float, float]]:
    """Stage → (p50, p95) in milliseconds, over the cases that passed through the stage."""
    stages: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        for stage, milliseconds in score.outcome.timings_ms.items():
            stages[stage].append(float(milliseconds))
    return {stage: (percentile(values, 50) or 0.0, percentile(values, 95) or 0.0) for stage, values in stages.items()}


def _numbers(scores: Sequence[Score]) -> Numbers:
    values: dict[str, list[float]] = {
        metric: [score.values[metric] for score in scores if metric in score.values] for metric in _METRICS
    }
    values["passed"] = [float(score.passed) for score in scores]
    return _estimates(values)


def _estimates(values: Mapping[str, Sequence[float]]) -> dict[str, Estimate]:
    estimates = {name: estimate(list(numbers)) for name, numbers in values.items()}
    return {name: value for name, value in estimates.items() if value is not None}


def _is_status(status: str) -> Callable[[Score], bool]:
    return lambda score: score.outcome.status == status


def _expects(expect: str, score: Score) -> float:
    return float(score.case.expect == expect)


def _same(members: Sequence[Score]) -> float | None:
    return consistency([score.outcome.rests_on for score in members])


def _pairs(scores: Sequence[Score], family: str, value: Callable[[Sequence[Score]], float | None]) -> list[float]:
    """One value for each pair with a member in the family."""
    pairs: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        if score.case.pair is not None:
            pairs[score.case.pair].append(score)
    values = [value(members) for members in pairs.values() if len(members) > 1 and any(s.case.family == family for s in members)]
    return [number for number in values if number is not None]


def _curve(scores: Sequence[Score]) -> Curve | None:
    judged = [
        s for s in scores if s.case.expect in ("answer", "refuse") and s.outcome.error is None and s.outcome.status != "safety"
    ]
    if len({score.case.expect for score in judged}) < 2:
        return None
    numbers = set_numbers(judged)
    precision, recall = numbers.get("refusal_precision"), numbers.get("refusal_recall")
    return Curve(
        points=tuple(refusal_curve([s.outcome.top_score for s in judged], [s.case.expect == "refuse" for s in judged])),
        threshold=shipped_reranker().thresholds.near,
        precision=precision.mean if precision else None,
        recall=recall.mean if recall else None,
    )
