"""What the known questions nearest to a query say: each votes for the passage that answers it, or for its kind.

A k-nearest-neighbour vote with weights that fall with distance (Dudani, "The distance-weighted
k-nearest-neighbor rule", 1976). It is what tells 提额 from 降额 when both passages are near: thirty
people who typed almost the same thing, and what each of them wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Both measured on the development cases; between 20 and 80 neighbours little changes.
_NEIGHBOURS = 40
# Cosine distance behind the nearest at which a vote counts 1/e.
_REACH = 0.05
# Where nobody near has asked, silence votes: so many voices for a question that belongs elsewhere.
_SILENT_VOTES = 4
_ELSEWHERE = "out_of_scope"


@dataclass(frozen=True, slots=True)
class Vote:
    """Shares that add up to 1 over both: by position of the passage, and by kind of the questions no passage answers."""

    passages: dict[int, float]
    kinds: dict[str, float]


def vote(nearest: Iterable[tuple[int | str, float]], silence: float = 0.0) -> Vote:
    """The vote of (owner, cosine) pairs, nearest first: an owner is a passage's position or the name of a kind.

    `silence`: the cosine that some known question reaches wherever the knowledge has an answer.
    """
    voters = list(nearest)[:_NEIGHBOURS]
    shares: dict[int | str, float] = {}
    for owner, cosine in voters:
        shares[owner] = shares.get(owner, 0.0) + math.exp((cosine - voters[0][1]) / _REACH)
    if voters and silence:
        silent = _SILENT_VOTES * math.exp((silence - voters[0][1]) / _REACH)
        shares[_ELSEWHERE] = shares.get(_ELSEWHERE, 0.0) + silent
    total = sum(shares.values())
    return Vote(
        passages={owner: share / total for owner, share in shares.items() if isinstance(owner, int)},
        kinds={owner: share / total for owner, share in shares.items() if isinstance(owner, str)},
    )
