"""When a person should take over, and what that person needs to know."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assistant.answer import Answer, HandOff
from assistant.conversation import Turn
from assistant.risk import Risk

_WANTS_PERSON = re.compile(r"转人工|找人工|要人工|真人|人工(?:客服)?(?:在吗|服务|呢)|(?:跟|和|找)(?:人|客服)(?:说|聊|谈)")
_STILL_FAILING = re.compile(
    r"还是(?:不行|没有|没用|不能|这样|一样|不对)|试过了|都试了|没(?:有)?用|不管用|不起作用|第[二三四五]次(?:问|说)"
)
_OWN_ACCOUNT = re.compile(
    r"(?:帮|给|替)我(?:查|看|问)|我(?:的)?(?:额度|账户|账单|还款日|利率)(?:是)?(?:多少|几|哪天)|查(?:一下)?我的"
)
_FAILURES = 2


def hand_off(answer: Answer, risk: Risk | None, turns: Sequence[Turn]) -> HandOff | None:
    """The packet for the support team; None where the answer is enough."""
    asked = [turn.content for turn in turns if turn.role == "user"]
    if risk is not None:
        return _packet(answer, risk.kind, risk.urgency, risk.queue, asked) if risk.kind != "illicit" else None
    if _WANTS_PERSON.search(answer.question):
        return _packet(answer, "asked_for", "normal", "人工客服", asked)
    if sum(bool(_STILL_FAILING.search(text)) for text in (*asked, answer.question)) >= _FAILURES:
        return _packet(answer, "repeated_failure", "normal", "人工客服", asked)
    if _OWN_ACCOUNT.search(answer.question):
        return _packet(answer, "account_specific", "low", "账户查询", asked)
    return None


def _packet(answer: Answer, reason: str, urgency: str, queue: str, asked: Sequence[str]) -> HandOff:
    return HandOff(
        reason=reason,
        urgency=urgency,  # type: ignore[arg-type]
        queue=queue,
        question=answer.question,
        standalone_question=answer.standalone_question,
        passages=tuple(citation.passage_id for citation in answer.citations),
        tried=tuple(asked[-3:]),
    )
