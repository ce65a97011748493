"""Write the table by which typed pinyin is read: every word of the known questions, spelled without tones.

    python knowledge/model/spell_words.py

It needs pypinyin (`pip install -e ".[dev]"`); reading needs the table alone. Run it again when many
questions were added; a word that is missing only costs that its pinyin stays as it was typed.
"""

from __future__ import annotations

import re
from collections import Counter

from pypinyin import lazy_pinyin
from tqdm import tqdm

from knowledge.chinese_text import normalise, words_of
from knowledge.pinyin import TABLE
from knowledge.wordings import shipped_wordings

_HAN = re.compile(r"[\u4e00-\u9fff]{1,4}")


def main() -> None:
    """Count the words, spell them, write the table, most frequent first."""
    counts: Counter[str] = Counter()
    for questions in tqdm(shipped_wordings().values(), desc="words"):
        for question in questions:
            counts.update(word for word in words_of(normalise(question)) if _HAN.fullmatch(word))
    # A single character is kept even when it is rare: it bridges what no word covers.
    kept = [(word, count) for word, count in counts.most_common() if count > 1 or len(word) == 1]
    lines = [f"{''.join(lazy_pinyin(word, v_to_u=False))}\t{word}\t{count}" for word, count in kept]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} words → {TABLE}")


if __name__ == "__main__":
    main()
