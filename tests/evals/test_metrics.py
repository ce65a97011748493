"""Every formula against values worked out by hand, and against libraries written by others."""

from __future__ import annotations

import doctest
import math
import warnings
from types import ModuleType

import numpy as np
import pytest

from evals import judge, metrics, resampling, rgb
from evals.metrics import CitedSentence, NothingRelevant


@pytest.mark.parametrize("module", [metrics, resampling, judge, rgb])
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


def test_ndcg_by_hand() -> None:
    # gains at ranks 1 and 3 of two relevant items: (1 + 1/2) / (1 + 1/log2(3))
    assert metrics.ndcg(["a", "x", "b"], {"a", "b"}, k=3) == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert metrics.ndcg(["x", "a"], {"a"}, k=1) == 0.0


def test_a_query_without_relevant_items_is_no_zero() -> None:
    for call in (
        lambda: metrics.hit_rate(["a"], set(), k=1),
        lambda: metrics.reciprocal_rank([], set()),
        lambda: metrics.ndcg([], set(), k=5),
    ):
        with pytest.raises(NothingRelevant):
            call()
    assert metrics.key_point_coverage("x", []) is None
    assert metrics.precision_recall([False], [False]) == (None, None)
    assert metrics.citation_recall([], _same) is None
    assert metrics.percentile([], 50) is None


def test_ranking_metrics_equal_those_of_ir_measures() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ir_measures = pytest.importorskip("ir_measures")
        rankings, relevants = _random_rankings()
        qrels = {str(q): dict.fromkeys(relevant, 1) for q, relevant in enumerate(relevants)}
        run = {str(q): {item: float(100 - rank) for rank, item in enumerate(ranked)} for q, ranked in enumerate(rankings)}
        wanted = [ir_measures.parse_measure(name) for name in ("nDCG@5", "RR", "Success@3")]
        theirs = ir_measures.calc_aggregate(wanted, qrels, run)
    pairs = list(zip(rankings, relevants, strict=True))
    ours = [
        np.mean([metrics.ndcg(ranked, relevant, k=5) for ranked, relevant in pairs]),
        np.mean([metrics.reciprocal_rank(ranked, relevant) for ranked, relevant in pairs]),
        np.mean([metrics.hit_rate(ranked, relevant, k=3) for ranked, relevant in pairs]),
    ]
    assert ours == pytest.approx([theirs[measure] for measure in wanted], abs=1e-6)


def test_ndcg_and_kappa_equal_those_of_scikit_learn() -> None:
    from sklearn.metrics import cohen_kappa_score, ndcg_score

    for ranked, relevant in zip(*_random_rankings(), strict=True):
        items = [*ranked, *sorted(relevant - set(ranked))]
        truth = [[1.0 if item in relevant else 0.0 for item in items]]
        scores = [[float(len(items) - rank) for rank in range(len(items))]]
        assert metrics.ndcg(items, relevant, k=5) == pytest.approx(ndcg_score(truth, scores, k=5))
    rng = np.random.default_rng(3)
    one, other = (rng.choice(["0", "1", "2"], 60).tolist() for _ in range(2))
    assert metrics.cohen_kappa(one, other) == pytest.approx(cohen_kappa_score(one, other))


def test_citation_recall_counts_a_sentence_without_support_as_nothing() -> None:
    sentences = [CitedSentence("a", ("a",)), CitedSentence("b", ("a",)), CitedSentence("c", ()), CitedSentence("a", (None,))]
    assert metrics.citation_recall(sentences, _same) == 0.25


def test_citation_precision_counts_a_needless_citation_against() -> None:
    # "a" alone supports, "x" does not and is not missed: 1 of 2 needed
    assert metrics.citation_precision([CitedSentence("a", ("a", "x"))], _same) == 0.5
    # neither supports alone, each is missed: 2 of 2
    assert metrics.citation_precision([CitedSentence("ab", ("a", "b"))], lambda s, c: "".join(sorted(c)) == s) == 1.0
    # a citation of an unsupported sentence is never needed
    assert metrics.citation_precision([CitedSentence("b", ("a",)), CitedSentence("a", ("a",))], _same) == 0.5
    assert metrics.citation_precision([CitedSentence("a", ())], _same) == 0.0


def test_only_the_first_three_citations_of_a_sentence_count() -> None:
    assert metrics.citation_recall([CitedSentence("a", ("x", "y", "z", "a"))], _same) == 0.0


def test_the_refusal_curve_ends_where_everything_is_refused() -> None:
    points = metrics.refusal_curve([0.1, 0.2, 0.2, 0.9], [True, False, True, False])
    assert points == [(0.1, 1.0, 0.5), (0.2, pytest.approx(2 / 3), 1.0), (0.9, 0.5, 1.0)]


def test_an_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = [1.0] * 60 + [0.0] * 40
    first = resampling.estimate(values)
    assert first == resampling.estimate(values)
    assert first is not None and first.n == 100 and first.mean == 0.6
    # the normal approximation: 0.6 ± 1.96 · sqrt(0.24 / 100)
    assert (first.low, first.high) == (pytest.approx(0.504, abs=0.02), pytest.approx(0.696, abs=0.02))


def test_what_could_not_be_scored_is_left_out_of_n() -> None:
    found = resampling.estimate([None, 1.0, None])
    assert found is not None and (found.n, found.mean) == (1, 1.0)
    assert resampling.estimate([None]) is None


def test_a_paired_difference_sees_what_two_separate_intervals_hide() -> None:
    hard = np.random.default_rng(0).random(200)
    better = resampling.paired_difference((hard + 0.05).tolist(), hard.tolist())
    assert better is not None and better.low > 0 and better.p < 0.01
    none = resampling.paired_difference(hard.tolist(), hard.tolist())
    assert none is not None and (none.mean, none.p) == (0.0, 1.0)


def test_mcnemar_equals_the_binomial_test() -> None:
    from scipy.stats import binomtest

    ours, theirs = [True] * 9 + [False] * 3 + [True] * 8, [False] * 9 + [True] * 3 + [True] * 8
    assert resampling.mcnemar(ours, theirs) == pytest.approx(binomtest(3, 12).pvalue)
    assert resampling.mcnemar([True], [True]) == 1.0


def _same(sentence: str, cited: object) -> bool:
    return sentence in cited  # type: ignore[operator]


def _random_rankings() -> tuple[list[list[str]], list[set[str]]]:
    rng = np.random.default_rng(7)
    names = [f"d{number}" for number in range(20)]
    rankings = [rng.permutation(names)[:8].tolist() for _ in range(50)]
    relevants = [set(rng.permutation(names)[: rng.integers(1, 4)].tolist()) for _ in range(50)]
    return rankings, relevants
