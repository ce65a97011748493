"""One normal form for every way of writing a number, a date, a phone or a law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.checking.figures import figures
from knowledge.checking.ledger import vouches


@pytest.mark.parametrize(
    ("text", "normals"),
    [
        ("授信最高20万元", ["200000元"]),
        ("２０万元，二十万元", ["200000元", "200000元"]),
        ("20万到30万元", ["200000元", "300000元"]),
        ("470余万元、2500余笔", ["4700000元", "2500笔"]),
        ("借10天利息50元", ["10日", "50元"]),
        ("3至5天，550、600、650分", ["3日", "5日", "550分", "600分", "650分"]),
        ("日利率0.05%，万分之五，百分之二十四", ["0.05%", "24%", "0.05%"]),
        ("三个月，四倍，八成", ["80%", "3个月", "4倍"]),
        ("一两个月以后", []),
        ("2018年1月9日，2018-01-09，2018年", ["2018-01-09", "2018-01-09", "2018"]),
        ("自8月1日起，2017到2019年", ["2017", "2019", "--08-01"]),
        ("22:00至次日8:00，24点前", ["22点", "8点", "24点"]),
        ("拨打95188、110或400-810-8866", ["95188", "110", "4008108866"]),
        ("借110元，共12000元", ["110元", "12000元"]),
        ("《中华人民共和国民法典》第677条", ["《民法典》", "《民法典》第677条"]),
        ("《民法典》第17条、第496条至第498条", ["《民法典》", *(f"《民法典》第{n}条" for n in (17, 496, 497, 498))]),
        ("《刑法》第293条之一", ["《刑法》", "《刑法》第293条之一"]),
        ("金规〔2026〕2号，GB/T 45251-2025", ["〔2026〕2号", "GB/T45251-2025"]),
    ],
)
def test_a_text_gives_its_figures_in_one_form(text: str, normals: list[str]) -> None:
    assert [figure.normal for figure in figures(text)] == normals


@pytest.mark.parametrize(
    ("said", "known", "vouched"),
    [
        ("2018年", "2018-01-09", True),
        ("1月9日", "2018-01-09", True),
        ("2018年2月", "2018-01-09", False),
        ("2018年1月9日", "2018-01", False),
        ("20万", "200000元", True),
        ("20万元", "200000", True),
        ("600分", "600", True),
        ("15天", "15日", True),
        ("15天", "15次", False),
        ("《民法典》第17条", "《民法典》第18条", False),
        ("第70条", "《办法》第70条", True),
    ],
)
def test_a_fact_vouches_for_what_it_says_as_exactly(said: str, known: str, vouched: bool) -> None:
    assert vouches(figures(said)[-1], frozenset({known})) is vouched


@given(st.text(alphabet="0123456789.,:-/一二十百万亿年月日元%第条《》〔〕号至分之余 \n", max_size=60))
def test_no_text_is_too_odd_to_read(text: str) -> None:
    assert all(figure.normal for figure in figures(text))
