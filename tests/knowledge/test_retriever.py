from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import pytest

from knowledge.indexing import ensure_index
from knowledge.retriever import Retriever, is_stale, reciprocal_rank_fusion
from knowledge.settings import KnowledgeSettings
from knowledge.signals import agreement, opposition, read, stray_product
from tests.conftest import WORDS_DECIDE, CharacterEmbedder


@pytest.fixture
def retriever(settings: KnowledgeSettings, embedder: CharacterEmbedder) -> Iterator[Retriever]:
    index = ensure_index(settings, embedder)
    yield Retriever(index, embedder, WORDS_DECIDE, settings.retrieval)
    index.close()


@pytest.mark.parametrize(
    ("query", "passage"),
    [
        ("额度咋没了", "gone#why"),
        ("什么时候能恢复借呗额度", "gone#back"),
        ("想提额", "raise#how"),
        ("逾期几年能消", "record#years"),
        ("JIEBEI 怎么提额😊", "raise#how"),
    ],
)
def test_the_right_passage_comes_first(retriever: Retriever, query: str, passage: str) -> None:
    assert retriever.retrieve(query)[0].passage.id == passage


def test_scores_fall_and_signals_are_named(retriever: Retriever) -> None:
    ranked = retriever.retrieve("借呗额度为什么没有了")
    assert [item.rank for item in ranked] == list(range(1, len(ranked) + 1))
    assert all(one.score >= other.score for one, other in pairwise(ranked))
    assert {"question_cosine", "opposition", "trust"} <= dict(ranked[0].signals).keys()


@pytest.mark.parametrize("query", ["", "   ", "？！", "\u200b"])
def test_a_query_without_a_word_finds_nothing(retriever: Retriever, query: str) -> None:
    assert retriever.retrieve(query) == []


def test_fusion_adds_reciprocal_ranks_and_breaks_ties_by_number() -> None:
    # 7 is second in both lists: 2/62; 3 and 9 are first in one: 1/61 each.
    assert reciprocal_rank_fusion([[3, 7], [9, 7]]) == [7, 3, 9]


def test_opposites_are_told_apart() -> None:
    assert opposition(read("借呗怎么提额"), [read("借呗为什么降额")]) == 1
    assert opposition(read("借呗怎么提额"), [read("借呗额度怎么提高")]) == 0
    assert opposition(read("借呗降额了怎么提上去"), [read("借呗怎么提额")]) == 0
    assert agreement(read("额度多久恢复"), read("借呗什么时候恢复额度")) == 1


def test_another_product_is_noticed() -> None:
    assert stray_product(read("花呗怎么提额"), read("借呗怎么提额")) == 1
    assert stray_product(read("怎么提额"), read("借呗怎么提额")) == 0
    assert stray_product(read("借呗"), read("网商贷怎么关闭")) == 1


def test_a_passage_is_stale_the_day_after_its_review_date(retriever: Retriever) -> None:
    passage = retriever.index.by_id["gone#why"]
    assert passage.review_by == "2027-01-01"
    assert not is_stale(passage, date(2027, 1, 1))
    assert is_stale(passage, date(2027, 1, 2))


def test_it_drops_into_a_langchain_chain(retriever: Retriever) -> None:
    from langchain_core.runnables import RunnableLambda

    from knowledge.langchain_retriever import LangchainRetriever

    chain = LangchainRetriever(retriever=retriever) | RunnableLambda(lambda documents: [document.id for document in documents])
    assert chain.invoke("想提额")[0] == "raise#how"
