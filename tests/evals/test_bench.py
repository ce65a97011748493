"""How the figures of a benchmark are shown; what they are is the machine's affair."""

from evals.bench import EMBEDDING, Timing, peak_memory, render


def test_every_median_is_a_multiple_of_embedding_the_query() -> None:
    shown = render([Timing(EMBEDDING, 10, 4.0, 5.0), Timing("检索全程", 10, 10.0, 12.0)])
    assert [line.split()[-1] for line in shown.splitlines() if line.startswith((EMBEDDING, "检索"))] == ["1.00", "2.50"]


def test_memory_is_counted_in_megabytes() -> None:
    assert 20 < peak_memory() < 100_000
