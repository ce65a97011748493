"""The guided self-check: every way through it ends at passages that exist, and anybody can leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from assistant import Assistant
from assistant.conversation import Turn
from assistant.prompts import SELF_CHECK, SYMPTOM_QUESTIONS
from assistant.self_check import Place, place_of


def after(ask: str) -> tuple[Turn, ...]:
    return (Turn("user", SELF_CHECK), Turn("assistant", ask))


def ways(place: Place, depth: int = 0) -> Iterator[Place]:
    assert depth < 4, "the self-check goes in circles"
    for choice in place.choices:
        further = place_of(choice, after(place.ask))
        assert further is not None, choice
        if further.passages:
            yield further
        else:
            yield from ways(further, depth + 1)


def test_every_way_ends_at_passages_of_the_corpus() -> None:
    start = place_of(SELF_CHECK, ())
    assert start is not None
    ends = list(ways(start))
    corpus = files("knowledge") / "corpus"
    assert len(ends) > 20
    for id_ in {id_ for end in ends for id_ in end.passages}:
        document, section = id_.split("#")
        text = (corpus / f"{document}.md").read_text(encoding="utf-8")
        assert re.search(rf"^id: {section}$", text, re.MULTILINE), id_


@pytest.mark.parametrize("question", [SELF_CHECK, "帮我查下是什么原因", "怎么自查", "不知道是怎么回事"])
def test_it_starts_when_asked_for(question: str) -> None:
    assert SELF_CHECK in SYMPTOM_QUESTIONS
    place = place_of(question, ())
    assert place is not None and place.choices


def test_another_question_leaves_it(bot: Assistant) -> None:
    start = place_of(SELF_CHECK, ())
    assert start is not None
    assert place_of("借呗怎么提额", after(start.ask)) is None
    history = [{"role": "user", "content": SELF_CHECK}, {"role": "assistant", "content": start.ask}]
    assert bot.ask("借呗怎么提额", history).citations[0].passage_id == "raise#how"


def test_a_step_asks_with_choices_and_cites_nothing(bot: Assistant) -> None:
    answer = bot.ask(SELF_CHECK)
    assert (answer.status, answer.citations) == ("clarify", ())
    further = bot.ask(answer.follow_ups[0], [{"role": "assistant", "content": answer.text}])
    assert further.status == "clarify" and further.follow_ups != answer.follow_ups
