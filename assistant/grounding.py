"""The last check before anything is shown: every sentence is supported, and nothing is promised."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.answer import Sentence
from assistant.evidence import Evidence

# Promises of amount, approval, recovery or date; a passage that denies them ("不保证") is no promise.
_PROMISE = re.compile(r"(?<![不没无难])(?<!不能)(?<!不会)(?:保证|一定能|一定会|肯定能|肯定会|必然会|包过|秒批|百分之百|100%)")
_DENIAL = re.compile(r"不|没|无|别|谁|骗|任何|声称|承诺")


def is_promise(text: str) -> bool:
    """Whether a sentence promises what only the lender decides."""
    return bool(_PROMISE.search(text)) and not _DENIAL.search(text)


def supported(sentences: Sequence[Sentence], evidence: Evidence, connecting: frozenset[str]) -> tuple[Sentence, ...]:
    """The sentences that may be shown: word for word in a passage they cite, or a reviewed phrase."""
    return tuple(sentence for sentence in sentences if _is_supported(sentence, evidence, connecting))


def _is_supported(sentence: Sentence, evidence: Evidence, connecting: frozenset[str]) -> bool:
    if not sentence.markers:
        return sentence.text in connecting
    if is_promise(sentence.text):
        return False
    return all(1 <= marker <= len(evidence.passages) for marker in sentence.markers) and any(
        sentence.text in evidence.passages[marker - 1].passage.text for marker in sentence.markers
    )
