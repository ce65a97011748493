"""Fit the weights of the reranker on the development cases, and set the thresholds there.

One linear function does two jobs, so one convex loss asks for both: among the candidates of a
question the right ones should lead (softmax cross entropy, as in ListNet), and its value should say
how likely a passage answers at all (logistic loss over the same candidates, unanswerable questions
included). Test cases are never seen here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from tqdm import tqdm

from evals.cases import Case, targets
from knowledge.chinese_text import iter_sentences
from knowledge.reranking import RANKING_FILE, Thresholds, WeightedSignals, discounted
from knowledge.retriever import Retriever

Matrix = npt.NDArray[np.float64]
# How much the second job counts beside the first, and how strongly weights are held near zero.
_LOGISTIC_SHARE = 0.3
_RIDGE = 0.002
# Weights that must not come out with the wrong sign from a few hundred cases.
_POSITIVE = frozenset({"question_cosine", "body_cosine", "question_overlap", "coverage", "agreement", "same_way", "letters"})
_NEGATIVE = frozenset({"missing", "extra", "opposition", "stray_product", "missing_product", "unknown"})
# Fixed by hand: too few cases differ in them for a fit to mean anything, or the retriever applies them itself.
_FIXED = {"trust": 0.15, "stale": -0.3, "out_of_scope": 0.0}


@dataclass(frozen=True)
class Example:
    """One question's candidates: signals (n, names) and which of them answer it (n,)."""

    signals: Matrix
    relevant: npt.NDArray[np.bool_]


def examples(retriever: Retriever, cases: Iterable[Case], silence: float) -> tuple[list[Example], list[str]]:
    """The candidates of every case that stands on its own, with the names of their signals."""
    wide = Retriever(
        retriever.index,
        retriever.embedder,
        WeightedSignals({}, 0.0, Thresholds(silence=silence), retriever.embedder.identity),
        replace(retriever.settings, passages=retriever.settings.candidates),
    )
    names: list[str] = []
    found = []
    for case in tqdm(list(cases), desc="signals"):
        ranked = wide.retrieve(case.question)
        if not ranked:
            continue
        names = [name for name, _ in ranked[0].signals]
        relevant = set(targets(case, retriever.index.passages)) if case.gold else set()
        found.append(
            Example(
                np.array([[value for _, value in item.signals] for item in ranked]),
                np.array([item.passage.id in relevant for item in ranked]),
            )
        )
    return found, names


def fit(examples: Sequence[Example], names: Sequence[str]) -> tuple[dict[str, float], float]:
    """Weights by signal name, and the bias."""
    free = [place for place, name in enumerate(names) if name not in _FIXED]
    bounds = [
        (0.0, None) if names[place] in _POSITIVE else (None, 0.0) if names[place] in _NEGATIVE else (None, None) for place in free
    ]
    fixed = np.array([_FIXED.get(name, 0.0) for name in names])

    def loss(values: Matrix) -> tuple[float, Matrix]:
        weights, bias = fixed.copy(), values[-1]
        weights[free] = values[:-1]
        total, slope, slope_bias = 0.0, np.zeros(len(names)), 0.0
        for example in examples:
            scores = example.signals @ weights
            if example.relevant.any():
                every, right = _softmax(scores), _softmax(np.where(example.relevant, scores, -np.inf))
                total += _log_sum(scores) - _log_sum(scores[example.relevant])
                slope += example.signals.T @ (every - right)
            # All that is wrong together weighs as much as what is right, or the bias would answer nothing.
            share = np.where(example.relevant, 1.0, 1.0 / max(1, (~example.relevant).sum())) * _LOGISTIC_SHARE
            likely = 1 / (1 + np.exp(-(scores + bias)))
            total -= float(share @ np.log(np.where(example.relevant, likely, 1 - likely) + 1e-9))
            gap = share * (likely - example.relevant)
            slope += example.signals.T @ gap
            slope_bias += float(gap.sum())
        n = len(examples)
        total = total / n + _RIDGE * float(values[:-1] @ values[:-1]) / 2
        return total, np.append(slope[free] / n + _RIDGE * values[:-1], slope_bias / n)

    result = minimize(loss, np.zeros(len(free) + 1), jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)])
    weights = {name: round(float(value), 4) for name, value in _FIXED.items() if name in names}
    weights |= {names[place]: round(float(value), 4) for place, value in zip(free, result.x[:-1], strict=True)}
    return {name: weights[name] for name in names}, round(float(result.x[-1]), 4)


def choose_thresholds(examples: Sequence[Example], names: Sequence[str], weights: dict[str, float], bias: float) -> Thresholds:
    """Where to refuse and where to speak plainly, from the scores of the best passages.

    `near`: the fewest mistakes in refusing questions without an answer, false refusals and missed ones counted
    alike; the middle of the thresholds that make at most one more, since one question decides nothing.
    `answer`: above it at least nine in ten best passages are right.
    """
    reranker = WeightedSignals(weights, bias)
    best = []
    for example in examples:
        candidates = [reranker.score(dict(zip(names, row, strict=True))) for row in example.signals]
        top = int(np.argmax(candidates))
        strange = example.signals[top][names.index("out_of_scope")]
        best.append((discounted(candidates[top], strange), bool(example.relevant.any()), bool(example.relevant[top])))
    scores = np.array([score for score, _, _ in best])
    answerable = np.array([flag for _, flag, _ in best])
    right = np.array([flag for _, _, flag in best])
    grid = np.round(np.arange(0.02, 0.9, 0.01), 2)

    def cost(threshold: float) -> float:
        refused = scores < threshold
        return float((refused & answerable).sum() + (~refused & ~answerable).sum())

    costs = np.array([cost(threshold) for threshold in grid])
    near = float(np.round(np.median(grid[costs <= costs.min() + 1]), 2))
    sure = [level for level in grid if level >= near and right[scores >= level].mean() >= 0.9]
    answer = float(sure[0]) if sure else max(near, 0.5)
    return Thresholds(answer=round(answer, 3), near=round(near, 3))


def choose_support(retriever: Retriever) -> float:
    """The cosine with its own passage that 99 in 100 sentences of the corpus reach."""
    cosines = [
        retriever.nearness(passage.text[start:end], passage)
        for passage in tqdm(retriever.index.passages, desc="support")
        for start, end in iter_sentences(passage.text)
    ]
    return round(float(np.percentile(cosines, 1)), 3)


def choose_silence(retriever: Retriever, cases: Iterable[Case]) -> float:
    """The cosine with the nearest known question that 99 in 100 development questions with an answer reach."""
    cosines = [retriever.nearest_cosine(case.question) for case in cases if case.expect == "answer"]
    return round(float(np.percentile(cosines, 1)), 3)


def write(weights: dict[str, float], bias: float, thresholds: Thresholds, model: str, path: Path = RANKING_FILE) -> None:
    """Keep weights and thresholds where the product reads them, with the model they were measured on."""
    values = {"model": model, "thresholds": asdict(thresholds), "bias": bias, "weights": weights}
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _softmax(scores: Matrix) -> Matrix:
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum())


def _log_sum(scores: Matrix) -> float:
    most = scores.max()
    return float(most + np.log(np.exp(scores - most).sum()))
