"""What a query names and a heading does not."""

import pytest

from knowledge.signals import missing_product, read


@pytest.mark.parametrize(
    ("query", "heading", "missing"),
    [
        ("花呗借呗都冻结了", "花呗为什么被冻结", 0.5),
        ("花呗借呗都冻结了", "花呗和借呗都不能用了", 0.0),
        ("额度没了", "花呗为什么被冻结", 0.0),  # names none, so misses none
        ("借呗没额度了", "额度为什么没了", 0.0),  # a heading that names none is about 借呗
    ],
)
def test_a_question_about_two_products_wants_both(query: str, heading: str, missing: float) -> None:
    assert missing_product(read(query), read(heading)) == missing
