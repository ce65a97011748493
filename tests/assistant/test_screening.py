import pytest

from assistant.screening import mask


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("我的手机13800138000收不到", "手机号"),
        ("电话 138 0013 8000", "手机号"),
        ("+86 138-0013-8000", "手机号"),
        ("身份证11010519491231002X过期", "身份证号"),
        ("身份证 110105 19491231 002X", "身份证号"),
        ("卡号4111 1111 1111 1111", "银行卡号"),
        ("邮箱 someone@example.com", "邮箱"),
        ("验证码是 123456 对吗", "验证码"),
        ("护照E12345678", "护照号"),
        ("我的密码是abc12345", "密码"),
    ],
)
def test_personal_data_is_hidden_and_named(text: str, kind: str) -> None:
    screened = mask(text)
    assert screened.masked == (kind,)
    assert f"［{kind}］" in screened.question
    assert not any(character.isdigit() for character in screened.question)
    assert mask(screened.question).question == screened.question


@pytest.mark.parametrize(
    "text",
    [
        "借呗有50000额度",
        "95188打不通",
        "2026年11月23日",
        "订单号20261123220014800000",
        "日利率0.0005",
        "身份证110105194912310021",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert mask(text).question == text
