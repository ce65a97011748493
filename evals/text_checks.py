"""What can be checked in Chinese text without a model: support by a source, promises, phone numbers.

Written apart from the product's own checks on purpose: a checker that shares the rule it checks finds nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from knowledge.chinese_text import iter_sentences, scrub

_CONTAINED = 0.8
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*%?")
_NEGATION = re.compile(r"[不没无未非勿]|别(?!的|人|处)|禁止|拒绝|停止")
_CLAUSE = re.compile(r"[^，。；：！？、\n,;:!?]+")
_MARKER = re.compile(r"[\[［【]\s*\d+(?:\s*[,，、-]\s*\d+)*\s*[\]］】]")

# A span in quotation marks reports what somebody else says.
_QUOTED = re.compile(r"“[^”]*”|「[^」]*」|『[^』]*』|《[^》]*》")
_OUTCOME = r"(?:恢复|提额|提高|提升|提到|涨|通过|下款|放款|获批|批准|批下来|开通|到账|解冻|解封|放出来|借到|借出)"
_PROMISE = re.compile(
    rf"(?:保证|包管|承诺|肯定|一定|必定|必然|必|绝对|百分之百|100%|铁定|放心)[^，。；！？,;!?\n]{{0,12}}{_OUTCOME}"
    rf"|{_OUTCOME}[^，。；！？,;!?\n]{{0,4}}(?:有保证|没问题|百分之百|100%)"
    r"|包(?:过|下款|提额|开通|恢复|成功)|秒(?:批|过|下款|到账)|(?:稳|必)过"
    rf"|(?:\d+|[一二三四五六七八九十两几半])\s*(?:天|日|小时|周|个月|个工作日)(?:之?内|后|以内)[^，。；！？,;!?\n]{{0,6}}(?:就|便|即|会|能|可以?)[^，。；！？,;!?\n]{{0,4}}{_OUTCOME}"
)
_DENIED = re.compile(
    r"[不没无未非勿别谁难骗假疑]|任何|声称|自称|宣称|号称|所谓|承诺[“「]|警惕|小心|如果|是否|能否|吗|？|\?|条件|前提|不等于|一般|通常|可能|大多|往往"
)

_PHONE = re.compile(
    r"(?<![\d.\-])(?:400[- ]?\d{3}[- ]?\d{4}|800[- ]?\d{3}[- ]?\d{4}|1[3-9]\d{9}|0\d{2,3}[- ]\d{7,8}|9[56]\d{3,4}|12[0-9]\d{2})"
    r"(?![\d.]|\s*(?:元|万|块|年|天|号令))"
)
_PHONE_SHORT = re.compile(r"(?:拨打|打|电话|致电|热线)[是为：:“\s]{0,3}(\d{3,12})(?!\d|[ -]\d|\s*元)")


def plain(text: str) -> str:
    """Letters, digits and characters only, in one form: what two spellings of one sentence share."""
    return re.sub(r"[\W_]+", "", scrub(text).lower())


def without_markers(text: str) -> str:
    """The text without its citation markers, whatever brackets they are written in."""
    return _MARKER.sub("", text)


def sentences_of(text: str) -> list[str]:
    """The sentences of a Chinese text that came without any."""
    return [text[start:end] for start, end in iter_sentences(text)]


def is_supported(sentence: str, cited: Sequence[str]) -> bool:
    """Whether the cited texts say what the sentence says.

    Yes where it is found word for word. Otherwise at least 0.8 of its character pairs must occur in
    them, every number must, and each clause must agree with its nearest clause on being negated:
    "可以提前还" and "不可以提前还" share all their pairs but one.
    """
    needle = plain(sentence)
    if not needle:
        return True
    if any(needle in plain(text) for text in cited):
        return True
    source = "\n".join(cited)
    return (
        _containment(needle, plain(source)) >= _CONTAINED
        and _numbers(sentence) <= _numbers(source)
        and _negations_agree(sentence, source)
    )


def promises(text: str) -> list[str]:
    """Wordings that promise an amount, an approval, a recovery or a date, and that nothing around them denies."""
    found = []
    for sentence in sentences_of(text):
        bare = _QUOTED.sub("", sentence)
        found += [match.group() for match in _PROMISE.finditer(bare) if not _DENIED.search(bare)]
    return found


def phones(text: str) -> set[str]:
    """Phone numbers and service numbers, digits only."""
    text = scrub(text)
    whole = {re.sub(r"\D", "", match.group()) for match in _PHONE.finditer(text)}
    return whole | {match.group(1) for match in _PHONE_SHORT.finditer(text)}


def unknown_phones(text: str, known: Collection[str]) -> set[str]:
    """Numbers to call that no document of the corpus names."""
    return {number for number in phones(text) if number not in known}


def known_phones(texts: Iterable[str]) -> frozenset[str]:
    """Every number of the corpus."""
    return frozenset(number for text in texts for number in phones(text))


def _containment(needle: str, source: str) -> float:
    pairs = Counter(needle[i : i + 2] for i in range(len(needle) - 1))
    if not pairs:
        return float(needle in source)
    held = {source[i : i + 2] for i in range(len(source) - 1)}
    return sum(count for pair, count in pairs.items() if pair in held) / sum(pairs.values())


def _numbers(text: str) -> set[str]:
    return set(_NUMBER.findall(scrub(text)))


def _negations_agree(sentence: str, source: str) -> bool:
    theirs = [clause for clause in _CLAUSE.findall(scrub(source)) if plain(clause)]
    for clause in _CLAUSE.findall(scrub(sentence)):
        if len(plain(clause)) < 2:
            continue
        # "不可以" and "可以" are told apart only against the clause meant, so the nearest one is asked.
        nearest = max(theirs, key=lambda other: _likeness(clause, other), default="")
        if len(_NEGATION.findall(clause)) % 2 != len(_NEGATION.findall(nearest)) % 2:
            return False
    return True


def _likeness(one: str, other: str) -> float:
    a, b = plain(one), plain(other)
    return _containment(a, b) + _containment(b, a)
