"""What comes in: made readable, and freed of personal data before anything else sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from assistant.errors import InvalidQuestion
from assistant.prompts import EMPTY_QUESTION, TOO_LONG
from knowledge.chinese_text import scrub


@dataclass(frozen=True, slots=True)
class Screened:
    """A question that may be logged, searched and answered. `masked` names what was hidden in it."""

    question: str
    masked: tuple[str, ...] = ()


# Digits as people write them: in groups, with blanks or dashes between. No digit may touch either end.
_DIGITS = re.compile(r"(?<![\d.])(?:\+|00)?\d(?:[ \-]?\d){9,21}(?![\d.]?\d)")
_ID_LAST = re.compile(r"(?<!\d)\d(?:[ \-]?\d){16}[ \-]?[\dXx](?![\dA-Za-z])")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}")
_CODE = re.compile(
    r"((?:验证码|校验码|动态码|短信码)[^\d\n]{0,8})(\d{4,8})(?!\d)|(?<!\d)(\d{4,8})((?:[^\d\n]{0,3})(?:是|为)?[^\d\n]{0,4}(?:验证码|校验码|动态码))"
)
_PASSPORT = re.compile(r"(护照[^A-Za-z\d\n]{0,6})([A-Za-z]{1,2}\d{7,8})(?!\d)")
_PASSWORD = re.compile(r"((?:支付|登录|银行卡)?密码(?:是|为|[:：])\s{0,3})([^\s，。,；;]{4,20})")
# A name only where it is given as one; a family name of the hundred most common, and a word that cannot go on it after.
_SURNAME = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_NAME = re.compile(
    rf"((?:我叫|名字(?:叫|是|[:：])|姓名(?:是|为|[:：])?|户名(?:是|为|[:：])?) ?)([{_SURNAME}][\u4e00-\u9fff]{{1,2}}?)"
    r"(?=[^\u4e00-\u9fff]|$|的|身份|证件|手机|电话|借呗|花呗|额度|银行|卡号|今年|能|还是|这个)"
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def screen(question: object, *, max_chars: int) -> Screened:
    """A question fit to be answered; raises InvalidQuestion with one sentence for the asker."""
    if not isinstance(question, str):
        raise InvalidQuestion(EMPTY_QUESTION)
    if len(question) > max_chars:
        raise InvalidQuestion(TOO_LONG.format(actual=len(question), limit=max_chars))
    text = scrub(question).strip()
    if not text:
        raise InvalidQuestion(EMPTY_QUESTION)
    return mask(text)


def mask(text: str) -> Screened:
    """Personal data replaced by what it is, e.g. ［手机号］; idempotent."""
    found: list[str] = []
    while (masked := _mask_once(text, found)) != text:  # what is hidden can leave the next number beside its word
        text = masked
    return Screened(text, tuple(dict.fromkeys(found)))


def _mask_once(text: str, found: list[str]) -> str:

    def hide(kind: str, before: str = "", after: str = "") -> str:
        found.append(kind)
        return f"{before}［{kind}］{after}"

    text = _EMAIL.sub(lambda m: hide("邮箱"), text)
    text = _PASSPORT.sub(lambda m: hide("护照号", m.group(1)), text)
    text = _ID_LAST.sub(lambda m: hide("身份证号") if _is_id(_bare(m.group())) else m.group(), text)
    text = _DIGITS.sub(lambda m: _hide_number(m, hide), text)
    text = _CODE.sub(lambda m: hide("验证码", m.group(1) or "", m.group(4) or ""), text)
    text = _PASSWORD.sub(lambda m: m.group() if m.group(2).startswith("［") else hide("密码", m.group(1)), text)
    return _NAME.sub(lambda m: hide("姓名", m.group(1)), text)


def _hide_number(match: re.Match[str], hide: Callable[[str], str]) -> str:
    digits = _bare(match.group())
    local = re.sub(r"^(?:\+?86|0086)(?=1[3-9]\d{9}$)", "", digits).lstrip("+")
    if re.fullmatch(r"1[3-9]\d{9}", local):
        return hide("手机号")
    if _is_id(digits):
        return hide("身份证号")
    if 16 <= len(digits) <= 19 and digits.isdigit() and _luhn(digits):
        return hide("银行卡号")
    return match.group()


def _bare(number: str) -> str:
    return re.sub(r"[ \-]", "", number)


def _is_id(number: str) -> bool:
    """A resident identity number: 18 places with a valid date and check digit (GB 11643), or the old 15."""
    if re.fullmatch(r"[1-9]\d{16}[\dXx]", number):
        check = "10X98765432"[sum(int(d) * w for d, w in zip(number, _ID_WEIGHTS, strict=False)) % 11]
        return number[-1].upper() == check and _is_day(number[6:14])
    return bool(re.fullmatch(r"[1-9]\d{14}", number)) and _is_day("19" + number[6:12])


def _is_day(digits: str) -> bool:
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return 1900 <= day.year <= 2100


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
