"""Personal data in made-up messages: how much of it is hidden, how much else, and whether any gets through.

Everything is generated from a seed: numbers that are formally right (check digit, Luhn, number ranges) and
belong to nobody, and look-alikes that must stay as they are. Nothing here reads the patterns under test.
"""

from __future__ import annotations

import io
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from assistant import Assistant
from assistant.screening import mask
from evals.runner import progress_bar

_SEED = 20261123
_FRAMES = (
    "{}", "我的{}，借呗额度没了", "{}，帮我查下借呗", "借呗提不了额 {}", "客服你好，{} 这个能查到吗", "填的是{}还是不行",
    "{}。为什么开通不了", "我{}能不能用", "老说不对{}", "信息给你：{}，快点",
)  # fmt: skip
# The first digits of the numbers given out to subscribers; the ministry's numbering plan, without data cards.
_MOBILE = (130, 133, 135, 138, 139, 147, 150, 153, 158, 166, 172, 177, 181, 189, 191, 195, 198, 199)
_BANKS = ("622202", "621700", "622848", "621661", "436742", "955880", "622588", "621483", "625965", "356833")
_AREAS = ("110105", "310115", "440306", "510104", "330106", "420111", "610113", "230103", "350203", "530102")
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "伟芳娜敏静强磊军洋勇艳杰娟涛明超秀霞平刚"


@dataclass(frozen=True, slots=True)
class Sample:
    """A message; `secret` is the personal part of it, None where there is none."""

    kind: str
    text: str
    secret: str | None


@dataclass(frozen=True, slots=True)
class Masking:
    """What became of the samples. `leaks` are messages whose secret turned up in a reply or a log line."""

    hidden: Counter[str]
    missed: tuple[Sample, ...]
    altered: tuple[Sample, ...]
    leaks: tuple[Sample, ...]
    personal: Counter[str]
    harmless: int

    @property
    def recall(self) -> float:
        """Share of the personal messages whose secret was hidden."""
        return self.hidden.total() / self.personal.total()

    @property
    def precision(self) -> float:
        """Share of the messages that were changed in which there was something to hide."""
        return self.hidden.total() / (self.hidden.total() + len(self.altered))


def samples(n: int) -> list[Sample]:
    """`n` messages with personal data and `n` with other numbers, the same ones on every run."""
    rng = random.Random(_SEED)  # noqa: S311 - made-up numbers, not secrets
    made = []
    for place in range(n):
        kind, make_secret = list(_PERSONAL.items())[place % len(_PERSONAL)]
        text, secret = make_secret(rng)
        made.append(Sample(kind, rng.choice(_FRAMES).format(text), secret))
    for place in range(n):
        kind, make = list(_HARMLESS.items())[place % len(_HARMLESS)]
        made.append(Sample(kind, rng.choice(_FRAMES).format(make(rng)), None))
    return made


def measure(assistant: Assistant, n: int = 500, *, show: bool = True) -> Masking:
    """Mask every message, and put those with personal data to the assistant, listening to its log."""
    hidden: Counter[str] = Counter()
    personal: Counter[str] = Counter()
    missed, altered, leaks = [], [], []
    with _Listener() as listener:
        for sample in progress_bar(samples(n), "遮盖个人信息", show):
            masked = mask(sample.text)
            if sample.secret is None:
                altered += [sample] if masked.masked else []
                continue
            personal[sample.kind] += 1
            if _holds(masked.question, sample.secret):
                missed.append(sample)
            else:
                hidden[sample.kind] += 1
            said = json.dumps(assistant.ask(sample.text).to_dict(), ensure_ascii=False) + listener.take()
            leaks += [sample] if _holds(said, sample.secret) else []
    return Masking(hidden, tuple(missed), tuple(altered), tuple(leaks), personal, n)


def render(masking: Masking) -> str:
    """The figures, and every message that was got wrong."""
    lines = [
        f"召回 {masking.recall:.3f}（{masking.hidden.total()} / {masking.personal.total()}），"
        f"精确 {masking.precision:.3f}（{masking.harmless} 条无关数字里误遮 {len(masking.altered)} 条），"
        f"回答和日志里出现原文 {len(masking.leaks)} 条",
        "、".join(f"{kind} {masking.hidden[kind]}/{n}" for kind, n in masking.personal.items()),
        *(f"漏遮（{sample.kind}）：{sample.text}" for sample in masking.missed),
        *(f"误遮（{sample.kind}）：{sample.text} → {mask(sample.text).question}" for sample in masking.altered),
    ]
    return "\n".join(lines)


class _Listener:
    """Every log line of the process."""

    def __enter__(self) -> _Listener:
        self._stream = io.StringIO()
        self._handler = logging.StreamHandler(self._stream)
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)

    def take(self) -> str:
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return text


def _holds(text: str, secret: str) -> bool:
    return _bare(secret) in _bare(text)


def _bare(text: str) -> str:
    return text.replace(" ", "").replace("-", "")


def _digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(n))


def _grouped(rng: random.Random, number: str, sizes: Sequence[int]) -> str:
    """The number as it is, or in groups with blanks or dashes."""
    separator = rng.choice(("", "", " ", "-"))
    groups, start = [], 0
    for size in sizes:
        groups.append(number[start : start + size])
        start += size
    return separator.join([*groups, number[start:]] if start < len(number) else groups)


def _day(rng: random.Random, first: date = date(1950, 1, 1), days: int = 20_000) -> date:
    return first + timedelta(days=rng.randrange(days))


def _identity(rng: random.Random) -> tuple[str, str]:
    body = rng.choice(_AREAS) + _day(rng).strftime("%Y%m%d") + _digits(rng, 3)
    check = "10X98765432"[sum(int(d) * (2 ** (17 - place) % 11) for place, d in enumerate(body)) % 11]
    number = _grouped(rng, body + rng.choice((check, check.lower())), (6, 8))
    return f"{rng.choice(('身份证', '证件号', '身份证号码是', ''))}{number}", number


def _old_identity(rng: random.Random) -> tuple[str, str]:
    number = rng.choice(_AREAS) + _day(rng).strftime("%y%m%d") + _digits(rng, 3)
    return f"老身份证{number}", number


def _mobile(rng: random.Random) -> tuple[str, str]:
    number = f"{rng.choice(_MOBILE)}{_digits(rng, 8)}"
    prefix = rng.choice(("", "", "", "+86", "+86 ", "0086", "86"))
    shown = _grouped(rng, number, (3, 4))
    return f"{rng.choice(('手机', '电话', '手机号是', '打我', ''))}{prefix}{shown}", number


def _card(rng: random.Random) -> tuple[str, str]:
    body = rng.choice(_BANKS) + _digits(rng, rng.choice((9, 10, 12)))
    for last in "0123456789":
        doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(body + last))]
        if sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0:
            body += last
            break
    shown = _grouped(rng, body, (4, 4, 4))
    return f"{rng.choice(('卡号', '银行卡', '储蓄卡号是', ''))}{shown}", shown


def _code(rng: random.Random) -> tuple[str, str]:
    number = _digits(rng, rng.choice((4, 6, 6)))
    return rng.choice(("验证码{}", "验证码是{}", "校验码：{}", "短信验证码 {}", "动态码{}")).format(number), number


def _email(rng: random.Random) -> tuple[str, str]:
    name = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(rng.randint(4, 10)))
    address = f"{name}{rng.choice(('', '.wang', '_2020'))}@{rng.choice(('qq.com', '163.com', 'example.cn', 'mail.example.com'))}"
    return rng.choice(("邮箱{}", "{}", "发到 {}")).format(address), address


def _passport(rng: random.Random) -> tuple[str, str]:
    number = rng.choice("EGDPS") + _digits(rng, 8)
    return rng.choice(("护照{}", "护照号{}", "护照号码是 {}")).format(number), number


def _name(rng: random.Random) -> tuple[str, str]:
    name = rng.choice(_SURNAMES) + "".join(rng.choice(_GIVEN) for _ in range(rng.choice((1, 2))))
    return rng.choice(("我叫{}", "姓名：{}", "姓名{}", "我的名字是{}")).format(name), name


_PERSONAL: dict[str, Callable[[random.Random], tuple[str, str]]] = {
    "身份证号": _identity, "手机号": _mobile, "银行卡号": _card, "验证码": _code, "邮箱": _email, "护照号": _passport,
    "姓名": _name, "老身份证号": _old_identity,
}  # fmt: skip
_HARMLESS: dict[str, Callable[[random.Random], str]] = {
    "金额": lambda rng: f"额度{rng.randint(5, 200) * 100}{rng.choice(('', '元', '块'))}",
    "带小数的金额": lambda rng: f"利息{rng.randint(1, 9999)}.{_digits(rng, 2)}",
    "日期": lambda rng: _day(rng, date(2016, 1, 1), 4000).strftime(rng.choice(("%Y-%m-%d", "%Y年%m月%d日", "%Y%m%d"))),
    "客服电话": lambda rng: rng.choice(("95188", "12378", "110", "96110", "12345", "95555", "10086", "12363")),
    "订单号": lambda rng: f"订单号{_day(rng, date(2020, 1, 1), 2000).strftime('%Y%m%d')}2200148{_digits(rng, 13)}",
    "座机": lambda rng: f"0{rng.randint(10, 29)}-{rng.randint(2, 8)}{_digits(rng, 7)}",
    "400电话": lambda rng: f"400-{_digits(rng, 3)}-{_digits(rng, 4)}",
    "利率": lambda rng: f"日利率0.0{rng.randint(1, 6)}%，年化{rng.randint(5, 24)}.{rng.randint(0, 9)}%",
    "法条": lambda rng: f"第{rng.randint(1, 200)}条",
    "时间": lambda rng: f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
    "期数": lambda rng: f"分{rng.choice((3, 6, 12))}期还，每期{rng.randint(100, 9999)}",
    "芝麻分": lambda rng: f"芝麻分{rng.randint(350, 950)}",
    "错的证件号": lambda rng: f"{rng.choice(_AREAS)}{_day(rng).strftime('%Y')}13{_digits(rng, 6)}",
    "验证码的事": lambda rng: rng.choice(("收不到验证码", "验证码发了3次", "验证码60秒过期", "验证码4位还是6位")),
    "称呼": lambda rng: rng.choice(("我叫客服了", "我是老用户", "姓名不一致", "我叫他还钱", "名字改了", "我叫不出人工")),
    "版本": lambda rng: f"支付宝{rng.randint(9, 10)}.{rng.randint(0, 9)}.{rng.randint(10, 99)}.{_digits(rng, 4)}",
}  # fmt: skip
