"""The questions with known answers: read, checked, and handed over as values.

Gold is a quote in a document, never a passage id, so a change of chunking voids no label. Every
problem of every file is found in one pass and named with file and line.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from knowledge.passages import Document, Passage

Family = Literal[
    "answerable",
    "plain",
    "lookalike",
    "paraphrase",
    "double",
    "followup",
    "unanswerable",
    "false_premise",
    "safety",
    "harmless",
    "noise",
]
Part = Literal["dev", "test"]
Expect = Literal["answer", "refuse", "safety", "clarify_ok"]
SafetyKind = Literal["scam", "illicit", "crisis", "promise", "personal_data", "injection"]
FAMILIES: tuple[Family, ...] = get_args(Family)
PARTS: tuple[Part, ...] = get_args(Part)

_REQUIRED = ("id", "family", "part", "question", "expect", "topic")
_OPTIONAL = ("history", "gold", "pair", "must_not", "key_points", "safety_kind", "note")
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "family": FAMILIES, "part": PARTS, "expect": get_args(Expect), "safety_kind": get_args(SafetyKind),
}  # fmt: skip
# What a family may expect; families that are not named may expect anything.
_EXPECTED: Mapping[str, frozenset[str]] = {
    "answerable": frozenset({"answer", "clarify_ok"}),
    "plain": frozenset({"answer", "clarify_ok"}),
    "unanswerable": frozenset({"refuse", "clarify_ok"}),
    "harmless": frozenset({"answer", "refuse", "clarify_ok"}),
}
_PAIRED = frozenset({"lookalike", "paraphrase", "noise"})


class CaseError(Exception):
    """Case files that cannot be used: every problem on a line of its own, shown to a person as it stands."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Gold:
    """An exact quote of a document; the passage that holds it answers the question.

    `half` tells the two questions of one message apart: each wants one of its own quotes cited.
    """

    document: str
    quote: str
    half: int = 1

    def is_in(self, document: str, text: str) -> bool:
        """Whether a span of a document, however it was cut, holds the quote."""
        return document == self.document and self.quote in text


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled question. `place` is file and line, for whoever has to mend it."""

    id: str
    family: Family
    part: Part
    question: str
    expect: Expect
    topic: str
    place: str
    history: tuple[tuple[str, str], ...] = ()
    gold: tuple[Gold, ...] = ()
    pair: str | None = None
    must_not: tuple[str, ...] = ()
    key_points: tuple[tuple[str, ...], ...] = ()
    safety_kind: str | None = None
    note: str = ""

    @property
    def messages(self) -> list[dict[str, str]]:
        """The history as the assistant takes it."""
        return [{"role": role, "content": content} for role, content in self.history]


def load_cases(folder: Path, documents: Mapping[str, Document]) -> tuple[Case, ...]:
    """Every case of every `*.jsonl` in the folder, in file order; raises CaseError with all problems at once."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise CaseError([f"{folder} 里没有题目（*.jsonl）。"])
    problems: list[str] = []
    cases = [case for path in files for case in _read(path, documents, problems)]
    whole = not problems  # beside a refused line its twin would be accused of standing alone
    problems += _duplicates(cases)
    problems += _pair_problems(cases) if whole else ()
    if problems:
        raise CaseError(problems)
    return tuple(cases)


def targets(case: Case, passages: Iterable[Passage]) -> dict[str, tuple[Gold, ...]]:
    """The passages that answer a case, each with the quotes it holds; quotes of one passage are one target."""
    found: dict[str, list[Gold]] = defaultdict(list)
    homes: dict[str, list[Passage]] = defaultdict(list)
    for passage in passages:
        homes[passage.document_id].append(passage)
    for gold in case.gold:
        holding = [passage for passage in homes[gold.document] if gold.is_in(passage.document_id, passage.text)]
        for passage in holding:
            found[passage.id].append(gold)
        if not holding:  # cut in two by the chunker: the quote stands for itself
            found[f"{gold.document}:{gold.quote}"].append(gold)
    return {target: tuple(quotes) for target, quotes in found.items()}


def _read(path: Path, documents: Mapping[str, Document], problems: list[str]) -> Iterator[Case]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        problems.append(f"{path.name}：读不了（{error.strerror}）。")
        return
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        place = f"{path.name} 第 {number} 行"
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"), object_pairs_hook=_no_repeats)
        except UnicodeDecodeError:
            problems.append(f"{place}：不是 UTF-8 编码（可能是 GBK），请另存为 UTF-8。")
            continue
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, _RepeatedField) else "不是合格的 JSON。"
            problems.append(f"{place}：{reason}")
            continue
        found = list(_problems(value, documents))
        problems += [f"{place}：{problem}" for problem in found]
        if not found:
            yield _case(value, place)


class _RepeatedField(ValueError):
    """A key that a JSON object holds twice; the reader would silently keep the last."""


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _RepeatedField("同一个字段写了两次。")
    return value


def _problems(value: Any, documents: Mapping[str, Document]) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "应当是一个 JSON 对象。"
        return
    if unknown := value.keys() - {*_REQUIRED, *_OPTIONAL}:
        yield f"不认识的字段：{'、'.join(sorted(unknown))}。"
    for key in _REQUIRED:
        if not isinstance(value.get(key), str) or not value[key].strip():
            yield f"缺少 {key}，或它不是文字。"
    for key in ("pair", "safety_kind", "note"):
        if key in value and not isinstance(value[key], str):
            yield f"{key} 应当是文字。"
    for key, allowed in _CHOICES.items():
        if isinstance(value.get(key), str) and value[key] not in allowed:
            yield f"{key} 不能是 {value[key]!r}，只能是 {'、'.join(allowed)}。"
    yield from _label_problems(value)
    yield from _history_problems(value)
    yield from _gold_problems(value, documents)
    yield from _text_problems(value)


def _label_problems(value: Mapping[str, Any]) -> Iterator[str]:
    family, expect = value.get("family"), value.get("expect")
    allowed = _EXPECTED.get(str(family))
    if allowed is not None and expect in _CHOICES["expect"] and expect not in allowed:
        yield f"{family} 的 expect 只能是 {'、'.join(sorted(allowed))}。"
    if expect == "safety" and not value.get("safety_kind"):
        yield "expect 为 safety 时要写 safety_kind。"
    if family in _PAIRED and not value.get("pair"):
        yield f"{family} 的题要写 pair，与它成对的题写同一个值。"


def _history_problems(value: Mapping[str, Any]) -> Iterator[str]:
    history = value.get("history", [])
    if not isinstance(history, list) or not all(
        isinstance(turn, dict)
        and turn.keys() == {"role", "content"}
        and turn["role"] in ("user", "assistant")
        and isinstance(turn["content"], str)
        for turn in history
    ):
        yield "history 应当是列表，每项写 role（user 或 assistant）和 content。"
    elif value.get("family") == "followup" and not history:
        yield "followup 的题要写 history。"


def _gold_problems(value: Mapping[str, Any], documents: Mapping[str, Document]) -> Iterator[str]:
    gold = value.get("gold", [])
    if not isinstance(gold, list) or not all(
        isinstance(item, dict)
        and item.keys() - {"half"} == {"document", "quote"}
        and all(isinstance(item[name], str) for name in ("document", "quote"))
        and item.get("half", 1) in (1, 2)
        for item in gold
    ):
        yield "gold 应当是列表，每项写 document 和 quote；一句话里有两问时再写 half，1 或 2。"
        return
    if value.get("expect") == "answer" and not gold:
        yield "expect 为 answer 时要写 gold。"
    if value.get("expect") == "refuse" and gold:
        yield "expect 为 refuse 时不写 gold。"
    for item in gold:
        document = documents.get(item["document"])
        if document is None:
            yield f"没有编号为 {item['document']} 的文档。"
        elif not item["quote"].strip():
            yield "quote 是空的。"
        elif item["quote"] not in document.text:
            yield f"文档 {document.id} 里找不到这句引文：{_short(item['quote'])}"
        elif not any(item["quote"] in document.text[section.start : section.end] for section in document.sections):
            yield f"引文不在文档 {document.id} 某一节的正文里（标题和注释不算）：{_short(item['quote'])}"


def _text_problems(value: Mapping[str, Any]) -> Iterator[str]:
    must_not, points = value.get("must_not", []), value.get("key_points", [])
    if not _is_texts(must_not):
        yield "must_not 应当是文字的列表，每项不能是空的。"
    else:
        for pattern in must_not:
            try:
                re.compile(pattern)
            except re.error:
                yield f"must_not 里的 {pattern!r} 不是合格的正则表达式。"
    if not isinstance(points, list) or not all(_is_texts(group) and group for group in points):
        yield 'key_points 应当是列表的列表，例如 [["说法一", "说法二"], ["另一点"]]。'


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)


def _duplicates(cases: Iterable[Case]) -> Iterator[str]:
    first: dict[str, Case] = {}
    for case in cases:
        if case.id in first:
            yield f"{case.place}：编号 {case.id} 已被 {first[case.id].place} 使用。"
        first.setdefault(case.id, case)


def _pair_problems(cases: Iterable[Case]) -> Iterator[str]:
    pairs: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.pair is not None:
            pairs[case.pair].append(case)
    for name, members in pairs.items():
        place = members[0].place
        if len(members) == 1:
            yield f"{place}：pair {name} 只有这一道题。"
        elif len(members) > 2 and any(case.family == "lookalike" for case in members):
            yield f"{place}：pair {name} 是 lookalike，应当恰好两道，现在有 {len(members)} 道。"
        # A question whose twin is on the test part would be tuned on all the same.
        if len({case.part for case in members}) > 1:
            yield f"{place}：pair {name} 的题要在同一个 part。"


def _case(value: Mapping[str, Any], place: str) -> Case:
    return Case(
        id=value["id"],
        family=cast(Family, value["family"]),
        part=cast(Part, value["part"]),
        question=value["question"],
        expect=cast(Expect, value["expect"]),
        topic=value["topic"],
        place=place,
        history=tuple((turn["role"], turn["content"]) for turn in value.get("history", [])),
        gold=tuple(Gold(item["document"], item["quote"], item.get("half", 1)) for item in value.get("gold", [])),
        pair=value.get("pair"),
        must_not=tuple(value.get("must_not", [])),
        key_points=tuple(tuple(group) for group in value.get("key_points", [])),
        safety_kind=value.get("safety_kind"),
        note=value.get("note", ""),
    )


def _short(text: str) -> str:
    return f"“{text[:24]}{'…' if len(text) > 24 else ''}”"
