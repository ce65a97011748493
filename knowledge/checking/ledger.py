"""The fact ledger: which facts exist, how well each is founded, which figures it vouches for.

The facts themselves were researched outside this project; the ledger keeps what a check needs of
them. Grades: A statute or regulator text read, B official page read, C several public pages agree,
C- a single or weak page, D our own inference, never to be stated as certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from knowledge.checking.figures import Figure, figures
from knowledge.errors import DocumentError

LEDGER_FILE = "facts.tsv"
GRADES = ("A", "B", "C", "C-", "D")
_HEADER = ["id", "grade", "dated", "figures"]
# Claims noted only to be refuted: each needs a section that puts it right.
_FALSE_CLAIMS = ("9-", "18a-", "24-")


@dataclass(frozen=True, slots=True)
class Fact:
    """`dated`: true only for a time, so that a text must say as of when; `figures` in normal form."""

    id: str
    grade: str
    dated: bool
    figures: frozenset[str]

    @property
    def is_false_claim(self) -> bool:
        return self.id.startswith(_FALSE_CLAIMS)


def read_ledger(path: Path) -> dict[str, Fact]:
    """Every fact by id, in the order of the file; raises DocumentError with the line to mend."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise DocumentError(path.name, "读不了事实台账。") from None
    if not lines or lines[0].split("\t") != _HEADER:
        raise DocumentError(path.name, f"第一行应当是 {'、'.join(_HEADER)}，以制表符分开。", 1)
    facts: dict[str, Fact] = {}
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(_HEADER) or cells[1] not in GRADES or cells[2] not in ("0", "1"):
            raise DocumentError(path.name, "应当是四列：编号、等级、是否有时效（0 或 1）、数字。", number)
        if cells[0] in facts:
            raise DocumentError(path.name, f"编号 {cells[0]} 用了两次。", number)
        facts[cells[0]] = Fact(cells[0], cells[1], cells[2] == "1", _figures(cells[3]))
    return facts


def vouches(figure: Figure, known: frozenset[str]) -> bool:
    """Whether one of these figures says the same as `figure`, or says it more exactly."""
    if figure.normal in known:
        return True
    if figure.kind == "date":
        return any(_same_date(figure.normal, other) for other in known)
    if figure.kind == "law" and figure.normal.startswith("第"):  # an article before its law was named
        return any(other.endswith(figure.normal) for other in known)
    if figure.kind == "number":
        value, unit = _split(figure.normal)
        # A figure noted without a unit (550/600/650) stands for any; so do amounts of 万 and above.
        return value in known or (_is_amount(value) and unit in ("", "元") and {value, f"{value}元"} & known != set())
    return False


def vouching(figure: Figure, facts: Iterable[Fact]) -> list[str]:
    """The ids of the facts that vouch for a figure: what an author may have forgotten to list."""
    return [fact.id for fact in facts if vouches(figure, fact.figures)]


def figures_of(ids: Iterable[str], ledger: Mapping[str, Fact]) -> frozenset[str]:
    """Everything these facts vouch for; unknown ids vouch for nothing."""
    return frozenset(figure for id_ in ids if id_ in ledger for figure in ledger[id_].figures)


def _figures(cell: str) -> frozenset[str]:
    """As noted, and in normal form too, so that whoever adds a fact may write 20万元 or 2026年8月1日."""
    noted = [figure.strip() for figure in cell.split("|") if figure.strip()]
    free = [figure for figure in noted if not figure.startswith("--") and "/" not in figure]
    return frozenset(noted) | {read[-1].normal for read in map(figures, free) if read}


def _same_date(said: str, known: str) -> bool:
    if said.startswith("--"):  # a month and day without a year
        return known[4:].startswith(said[1:]) if not known.startswith("--") else known == said
    return known.startswith(f"{said}-")


def _split(normal: str) -> tuple[str, str]:
    unit = normal.lstrip("0123456789.:/-")
    return normal.removesuffix(unit), unit


def _is_amount(value: str) -> bool:
    return value.isdigit() and int(value) >= 10_000
