"""What came before, and what it makes of a question. History is untrusted text from the caller."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.chinese_text import scrub
from knowledge.signals import read

_TURNS_KEPT = 10
_CHARS_KEPT = 500

_POINTING = re.compile(
    r"这个|那个|这样|那样|它|他们|她们|上面|刚才|前面|之前说|你说的|这种|那种|这些|那些"
    r"|这(?:是|要|会|能|得|咋)|那(?:要|会|能|得|是|咋|怎|多|为|什|还|我|就|如)"
)
_LEADING = re.compile(r"^(?:那么?|还有|然后|另外|再问(?:一下|下)?|请问|那请问|所以|但是|可是|不过|好的?|嗯+|哦+)[，, ]?")
_ANOTHER_PRODUCT = re.compile(
    r"^(?:那|还有)?(?:要是|如果|换成)?(借呗|花呗|信用贷|信用购|网商贷|备用金)(?:呢|也是吗|也一样吗|也这样吗|也是这样吗)?$"
)
_NTH = re.compile(r"第?([一二三四五六1-6])(?:个|条|点|步|种|项)")
_WANTS_MEANING = re.compile(r"(?:是|指)?(?:什么|啥)(?:意思)?|怎么理解|是啥|说的是|具体|详细|展开|说说|讲讲|呢")
_NUMERALS = {numeral: place for place, pair in enumerate(("一1", "二2", "三3", "四4", "五5", "六6")) for numeral in pair}
# A numbered point of an answer: "1. …", "- …", "①…", "（二）…", "第一，…", up to the next one.
_NUMBER = r"[1-9][.、．)）]|[①②③④⑤⑥]|[（(][一二三四五六1-6][)）]|第[一二三四五六](?:[，,、：:]|是|步)"
_LISTED = re.compile(rf"(?:^|\n|(?<=[。；;：: ]))\s*(?:[-*•]|{_NUMBER})\s*([^\n；;①②③④⑤⑥]+?)(?=[\n；;]|$|{_NUMBER})")
_ASKING = re.compile(
    r"(?:为什么|为啥|为何|怎么回事|什么原因|是什么原因|啥原因|什么情况|啥情况|怎么办|咋办|怎么弄|怎么|咋|如何|能不能|可不可以|是不是"
    r"|吗|呢|么|啊|呀|[？?！!。，,])+"
)
_MARKERS = re.compile(r"\[\d+\]")
# Where one question of a message ends and the next begins.
_PARTS = re.compile(
    r"[？?；;\n，,。!！\s]+(?:还有就是|还有|另外|然后|顺便问下?|顺便|以及|再就是|再一个|同时|那)?[，,\s]*"
    r"|(?:还有就是|另外|顺便问下?|顺便|以及|再就是|再一个)|(?<=[吗嘛呢啊呀])(?=[^，,。？?\s]{3})"
)
_INTERROGATIVE = re.compile(
    r"吗|怎么|为什么|为啥|多久|什么|如何|咋|哪|几|能不能|会不会|要不要|是不是|可不可以|多少|能否|有没有|呢$|何|啥|[不没]$|(.)[不没]\1|还能|能不"
)
# What may surround the bare name of the product in a message that asks nothing yet.
_EMPTY_WORDS = re.compile(
    r"借呗|额度|我|的|这|是|怎么回事|怎么了|怎么|为什么|什么情况|干嘛|什么|啥|问题|咨询|一下|请问|你好|在吗|有|了|呢|吗|啊"
    r"|想问|关于|帮我|看看|看|下|[，。？?！! ]"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of the history. `role` is "user" or "assistant", nothing else gets this far."""

    role: str
    content: str


def read_history(history: Sequence[Any] | None) -> tuple[Turn, ...]:
    """The last turns that can be trusted to be turns; other roles and shapes are dropped."""
    if not isinstance(history, Sequence) or isinstance(history, str | bytes):
        return ()
    turns = []
    for message in history[-2 * _TURNS_KEPT :]:
        if not isinstance(message, Mapping):
            continue
        role, content = message.get("role"), message.get("content")
        if role in ("user", "assistant") and isinstance(content, str) and content.strip():
            turns.append(Turn(str(role), scrub(content)[:_CHARS_KEPT]))
    return tuple(turns[-_TURNS_KEPT:])


@dataclass(frozen=True, slots=True)
class Understood:
    """What is asked. `standalone` reads without the history.

    For a follow-up, `focus` is its own words with the product they are about, and `before` the question
    it follows: what answered that one is known by now.
    """

    standalone: str
    focus: str | None = None
    before: str | None = None


def understand(question: str, turns: Sequence[Turn]) -> Understood:
    """The question in the light of what came before; unchanged where it stands on its own."""
    if not turns:
        return Understood(question)
    listed = _listed_item(question, turns)
    if listed is not None:
        return Understood(listed)
    asked = [turn.content for turn in turns if turn.role == "user"]
    topic = next((text for text in reversed(asked) if not _leans(text)), asked[-1] if asked else "")
    swap = _ANOTHER_PRODUCT.match(question.strip(" ？?。"))
    if swap is not None and topic:
        return Understood(_with_product(topic, swap.group(1)))
    if not topic or not _leans(question):
        return Understood(question)
    own = _LEADING.sub("", question)
    product = next(iter(sorted(read(topic).products)), "借呗")
    focus = own if read(own).products else f"{product}{own}"
    return Understood(f"{_subject(topic)}，{own}", focus, asked[-1])


def parts_of(question: str) -> tuple[str, ...]:
    """The questions in a question, as they were typed: two when both halves ask something, else the whole.

    Whether they are two needs is for retrieval to say.
    """
    pieces = [piece for piece in _PARTS.split(question) if piece]
    for place in range(1, len(pieces)):
        first, second = " ".join(pieces[:place]), " ".join(pieces[place:])
        if all(_INTERROGATIVE.search(half) and len(_ASKING.sub("", half).strip()) > 1 for half in (first, second)):
            return first, second
    return (question,)


def is_vague(question: str) -> bool:
    """Whether it names no more than the product: 借呗额度, 借呗怎么回事."""
    reading = read(question)
    plain = _EMPTY_WORDS.sub("", reading.text)
    return not plain and bool(reading.products or "额度" in reading.text)


def _leans(question: str) -> bool:
    """Whether the question needs what came before: it points back, or names neither product nor matter."""
    reading = read(question)
    own = bool(reading.products) + bool(reading.matters)
    if own == 2 or len(reading.text) > 20:
        return False
    return own == 0 or bool(_POINTING.search(question)) or bool(_LEADING.match(question)) or not reading.products


def _subject(topic: str) -> str:
    """A former question without its way of asking: 借呗额度为什么没了 → 借呗额度没了."""
    return _ASKING.sub("", topic).strip() or topic


def _with_product(topic: str, product: str) -> str:
    for name in ("借呗", "花呗", "信用贷", "信用购", "网商贷", "备用金"):
        if name in topic:
            return topic.replace(name, product)
    return f"{product}{topic}"


def _listed_item(question: str, turns: Sequence[Turn]) -> str | None:
    nth = _NTH.search(question)
    said = next((turn.content for turn in reversed(turns) if turn.role == "assistant"), "")
    if nth is None or len(question) > 20:
        return None
    items = [item.strip(" 。.") for item in _LISTED.findall(_MARKERS.sub("", said))]
    place = _NUMERALS[nth.group(1)]
    if place >= len(items):
        return None
    rest = _WANTS_MEANING.sub("", _NTH.sub("", question)).strip(" 的那个选，。？?")
    return f"{items[place]}，{rest}" if rest else items[place]
