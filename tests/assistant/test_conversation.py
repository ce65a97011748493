import pytest

from assistant import Assistant
from assistant.conversation import Turn, is_vague, parts_of, read_history, understand
from assistant.prompts import WHICH_SYMPTOM


def talk(*said: str) -> list[Turn]:
    return [Turn("assistant" if place % 2 else "user", text) for place, text in enumerate(said)]


@pytest.mark.parametrize(
    ("said", "question", "standalone"),
    [
        (("借呗额度为什么没了", "一般是重新评估。"), "那多久能恢复", "借呗额度没了，多久能恢复"),
        (("借呗降额了怎么办", "先看页面。"), "那花呗呢", "花呗降额了怎么办"),
        (("借呗用不了", "有三类：1. 评估没通过；2. 安全校验；3. 系统维护"), "第二个是什么意思", "安全校验"),
        (("怎么办", "可以：\n- 打开页面。[1]\n- 查逾期。[1]"), "第2步怎么做", "查逾期，怎么做"),
        (("借呗怎么提额", "看入口。"), "借呗怎么关闭", "借呗怎么关闭"),
        ((), "那多久能恢复", "那多久能恢复"),
    ],
)
def test_a_follow_up_becomes_a_question_of_its_own(said: tuple[str, ...], question: str, standalone: str) -> None:
    assert understand(question, talk(*said)).standalone == standalone


def test_history_from_outside_is_capped_and_other_roles_are_dropped() -> None:
    history = [{"role": role, "content": "话" * 5000} for role in ("system", "user", "tool", "assistant")] * 40
    turns = read_history(history)
    assert {turn.role for turn in turns} == {"user", "assistant"}
    assert len(turns) <= 10
    assert max(len(turn.content) for turn in turns) == 500
    assert read_history("not a list") == ()


def test_two_questions_in_one_are_told_apart() -> None:
    assert parts_of("借呗怎么提额？利息多少？") == ("借呗怎么提额", "利息多少")
    assert parts_of("逾期一天上征信吗 罚息怎么算") == ("逾期一天上征信吗", "罚息怎么算")
    assert parts_of("提前还款有手续费吗会不会降额") == ("提前还款有手续费吗", "会不会降额")
    assert parts_of("还清了额度没了，为什么") == ("还清了额度没了，为什么",)
    assert parts_of("借呗额度为什么没有了") == ("借呗额度为什么没有了",)


def test_both_questions_get_their_answer(bot: Assistant) -> None:
    answer = bot.ask("怎么提高借呗额度？逾期记录保存多久？")
    assert [citation.passage_id for citation in answer.citations] == ["raise#how", "record#years"]


def test_no_more_than_the_product_named_is_asked_back_once(bot: Assistant) -> None:
    assert is_vague("借呗额度怎么回事")
    first = bot.ask("借呗额度")
    assert (first.status, first.sentences[0].text) == ("clarify", WHICH_SYMPTOM)
    assert first.follow_ups
    again = bot.ask("借呗额度", [{"role": "user", "content": "借呗额度"}, {"role": "assistant", "content": first.text}])
    assert again.status != "clarify"


@pytest.mark.parametrize(
    ("question", "history", "reason"),
    [
        ("转人工", [], "asked_for"),
        ("帮我查下我的额度是多少", [], "account_specific"),
        ("试过了还是没有", [{"role": "user", "content": "还是不行"}], "repeated_failure"),
    ],
)
def test_a_person_is_called_when_one_is_needed(bot: Assistant, question: str, history: list[dict[str, str]], reason: str) -> None:
    packet = bot.ask(question, history).hand_off
    assert packet is not None
    assert packet.reason == reason


def test_no_person_is_called_for_an_ordinary_question(bot: Assistant) -> None:
    assert bot.ask("怎么提高借呗额度").hand_off is None
