"""How people type what a passage answers, written for this project: `lexicon/wordings/*.jsonl`.

They train the embedding, and both indexes hold them: what thirty people typed for a passage says more
than its heading does.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files


@cache
def shipped_wordings() -> dict[str, tuple[str, ...]]:
    """Wordings by passage id, those written first first."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(
        (files("knowledge") / "lexicon" / "wordings").iterdir(), key=lambda path: int(path.name.partition(".")[0])
    ):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found[row["passage"]] = (*found.get(row["passage"], ()), *row["questions"])
    return found
