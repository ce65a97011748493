"""Runs the cases through the assistant that serves, and the baselines beside it.

An error is a result: it counts as not passed and stands in the report. Each result is written down
as it comes, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from assistant import AssistantError
from evals.cases import Case, Gold, targets
from evals.metrics import ndcg, reciprocal_rank
from evals.outcomes import Outcome, from_answer, from_dict, from_export
from evals.sabotage import Damage
from evals.scoring import HITS_AT, NDCG_AT, Score, score
from evals.systems import Hit, System
from evals.workbench import AlteredRetriever, Bot, Workbench, code_hash
from knowledge.errors import KnowledgeError
from knowledge.passages import Passage

_Item = TypeVar("_Item")
Labels = Mapping[str, Mapping[str, tuple[Gold, ...]]]
"""For each case the targets that answer it, each with the quotes that tell it."""


@dataclass(frozen=True, slots=True)
class Exam:
    """The cases of one run with their targets, resolved against the whole corpus: damage must not move the goal."""

    cases: tuple[Case, ...]
    labels: Labels

    @staticmethod
    def of(cases: Sequence[Case], passages: Sequence[Passage]) -> Exam:
        """Resolve every case's gold to the passages that hold it."""
        return Exam(tuple(cases), {case.id: targets(case, passages) for case in cases})


class ResultFile:
    """Outcomes on disk, one JSON a line, keyed by case, index and code; what does not fit is run again."""

    def __init__(self, path: Path, key: str, *, resume: bool) -> None:
        self._path = path
        self._key = key
        self._known: dict[str, Outcome] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume and path.is_file():
            self._known = dict(self._read())
        else:
            path.write_text("", encoding="utf-8")

    def get(self, case: Case) -> Outcome | None:
        """The outcome of this very case under this very index and code, if it is there."""
        return self._known.get(self._key_of(case))

    def add(self, case: Case, outcome: Outcome) -> None:
        """Write an outcome down."""
        line = json.dumps({"key": self._key_of(case), "outcome": outcome.to_dict()}, ensure_ascii=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _key_of(self, case: Case) -> str:
        asked = json.dumps([case.question, case.history, [(g.document, g.quote) for g in case.gold]], ensure_ascii=False)
        return f"{case.id}:{self._key}:{hashlib.sha256(asked.encode()).hexdigest()[:12]}"

    def _read(self) -> Iterator[tuple[str, Outcome]]:
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                value = json.loads(line)
                yield value["key"], from_dict(value["outcome"])
            except (ValueError, KeyError, TypeError):  # the line a stopped run left half written
                continue


def result_file(path: Path, bench: Workbench, *, resume: bool) -> ResultFile:
    """The results of the system as it is now."""
    return ResultFile(path, f"{bench.index.version}:{code_hash(bench.settings)}", resume=resume)


def run(
    exam: Exam, bench: Workbench, *, damage: Damage | None = None, results: ResultFile | None = None, show: bool = True
) -> list[Score]:
    """Every case through the assistant, judged."""
    recorder = AlteredRetriever(damage.retriever(bench) if damage else bench.retriever)
    bot: Bot = bench.assistant_over(recorder).ask
    if damage is not None:
        bot = damage.around(bench, bot)
    scores = []
    for case in progress_bar(exam.cases, "答题", show):
        outcome = results.get(case) if results is not None else None
        if outcome is None:
            outcome = _outcome(case, bot, recorder, exam, bench)
            if results is not None:
                results.add(case, outcome)
        scores.append(score(case, outcome, exam.labels[case.id], bench.phones))
    return scores


def run_systems(
    exam: Exam, systems: Sequence[System], standalone: Mapping[str, str], *, show: bool = True
) -> dict[str, dict[str, dict[str, float]]]:
    """Ranking metrics of each system over the cases with gold: system → case → metric.

    Each system is asked the standalone question ours came to: that is generous to those that have no
    history of their own, and leaves retrieval as the only difference.
    """
    cases = [case for case in exam.cases if exam.labels[case.id]]
    found: dict[str, dict[str, dict[str, float]]] = {}
    for system in systems:
        found[system.name] = {
            case.id: ranking_values(system.search(standalone.get(case.id, case.question)), exam.labels[case.id])
            for case in progress_bar(cases, system.name, show)
        }
    return found


def score_export(exam: Exam, lines: Iterable[Mapping[str, Any]], bench: Workbench) -> tuple[list[Score], list[str]]:
    """Judge another bot's answers; also the ids of the cases it left out."""
    outcomes = {outcome.case_id: outcome for outcome in (from_export(line, bench.texts) for line in lines)}
    answered = [case for case in exam.cases if case.id in outcomes]
    scores = [score(case, outcomes[case.id], exam.labels[case.id], bench.phones) for case in answered]
    return scores, [case.id for case in exam.cases if case.id not in outcomes]


def ranking_values(hits: Sequence[Hit], wanted: Mapping[str, tuple[Gold, ...]]) -> dict[str, float]:
    """Ranking metrics of one list of spans, and how many characters its first four ask a person to read."""
    labels = label(hits, wanted)
    values = {f"hit@{k}": float(any(name in wanted for name in labels[:k])) for k in HITS_AT}
    values["mrr"] = reciprocal_rank(labels, wanted.keys())
    values[f"ndcg@{NDCG_AT}"] = ndcg(labels, wanted.keys(), k=NDCG_AT)
    values["chars@4"] = float(sum(len(hit.text) for hit in hits[:4]))
    return values


def label(hits: Sequence[Hit], wanted: Mapping[str, tuple[Gold, ...]]) -> tuple[str, ...]:
    """The ranking in terms of the targets: a span that holds a quote of a target not yet found carries its name."""
    left = dict(wanted)
    labels = []
    for hit in hits:
        held = [name for name, quotes in left.items() if any(gold.is_in(hit.document, hit.text) for gold in quotes)]
        labels += held or [f"~{hit.id}"]
        for name in held:
            del left[name]
    return tuple(labels)


def sample(cases: Sequence[Case], limit: int | None) -> tuple[Case, ...]:
    """Up to `limit` cases, taken in turn from each family so that none is left out."""
    if limit is None or limit >= len(cases):
        return tuple(cases)
    families: dict[str, list[Case]] = {}
    for case in cases:
        families.setdefault(case.family, []).append(case)
    longest = max(map(len, families.values()))
    in_turn = [family[place] for place in range(longest) for family in families.values() if place < len(family)]
    kept = {case.id for case in in_turn[:limit]}
    return tuple(case for case in cases if case.id in kept)


def progress_bar(items: Sequence[_Item], title: str, show: bool) -> Iterable[_Item]:
    """The items, with a bar on stderr where somebody watches."""
    from tqdm import tqdm

    bar: Callable[..., Iterable[_Item]] = tqdm
    return bar(items, desc=title, unit="题", file=sys.stderr, disable=None if show else True)


def _outcome(case: Case, bot: Bot, recorder: AlteredRetriever, exam: Exam, bench: Workbench) -> Outcome:
    recorder.take()
    try:
        answer = bot(case.question, case.messages)
    except (AssistantError, KnowledgeError) as error:
        return Outcome(case.id, error=str(error))
    except Exception as error:  # whatever the assistant raises is what a person would have got
        return Outcome(case.id, error=f"{type(error).__name__}: {error}")
    ranked = recorder.take()
    hits = [Hit(item.passage.id, item.passage.document_id, item.passage.text, item.score) for item in ranked]
    outcome = from_answer(case.id, answer, bench.texts)
    return replace(
        outcome,
        standalone=answer.standalone_question,
        ranked=tuple((hit.id, round(hit.score, 4)) for hit in hits),
        labels=label(hits, exam.labels[case.id]),
    )
