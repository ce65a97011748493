"""The last check before anything is shown: every sentence is supported, and nothing is promised."""

from __future__ import annotations

import re
from dataclasses import replace

from assistant.answer import Sentence
from assistant.composing import Draft
from assistant.evidence import Evidence
from assistant.prompts import CONNECTING

# Promises of amount, approval, recovery or date; a passage that denies them ("不保证") is no promise.
_PROMISE = re.compile(r"(?<![不没无难])(?<!不能)(?<!不会)(?:保证|一定能|一定会|肯定能|肯定会|必然会|包过|秒批|百分之百|100%)")
_DENIAL = re.compile(r"不|没|无|别|谁|骗|任何|声称|承诺")


def is_promise(text: str) -> bool:
    """Whether a sentence promises what only the lender decides."""
    return bool(_PROMISE.search(text)) and not _DENIAL.search(text)


def verified(draft: Draft, evidence: Evidence) -> Draft:
    """What of a composed draft may be shown: word for word in a passage it cites, or a reviewed phrase."""
    return replace(
        draft,
        sentences=tuple(sentence for sentence in draft.sentences if _is_supported(sentence, evidence)),
        steps=tuple(step for step in draft.steps if _is_supported(step, evidence)),
    )


def _is_supported(sentence: Sentence, evidence: Evidence) -> bool:
    if sentence.text in CONNECTING:
        return True
    if not sentence.markers or is_promise(sentence.text):
        return False
    return all(1 <= marker <= len(evidence.passages) for marker in sentence.markers) and any(
        sentence.text in evidence.passages[marker - 1].passage.text for marker in sentence.markers
    )
