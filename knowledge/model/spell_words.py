"""Write the tables by which text that was misspelled by sound is read: pinyin, pairs of characters, and who sounds like whom.

    python knowledge/model/spell_words.py

It needs pypinyin (`pip install -e ".[dev]"`); reading needs the tables alone. Run it again when many
questions were added; a word that is missing only costs that it stays as it was typed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from pypinyin import lazy_pinyin
from tqdm import tqdm

from knowledge.chinese_text import normalise, words_of
from knowledge.documents import load_corpus
from knowledge.homophones import END, HAN_RUN, PAIRS, SOUNDS, START, fold
from knowledge.indexing import other_questions
from knowledge.pinyin import TABLE
from knowledge.settings import shipped
from knowledge.wordings import shipped_wordings

_HAN = re.compile(r"[\u4e00-\u9fff]{1,4}")
# A pair must be seen so often to count as the way it is written …
_SEEN = 3
# … and is a slip itself where it is rare and a pair of the same sound so many times as frequent.
_RARE, _TIMES = 40, 25


def main() -> None:
    """Count words and pairs, spell them, write the tables, most frequent first."""
    wordings = [text for texts in shipped_wordings().values() for text in texts]
    others = [entry.text for entry in other_questions(shipped("lexicon") / "other_questions.tsv")]
    asked = [normalise(text, by_ear=False) for text in tqdm([*wordings, *others], desc="questions")]
    written = [normalise(document.text, by_ear=False) for document in load_corpus([shipped("corpus")]).documents]

    counts: Counter[str] = Counter()
    for question in tqdm(asked[: len(wordings)], desc="words"):
        counts.update(word for word in words_of(question) if _HAN.fullmatch(word))
    # A single character is kept even when it is rare: it bridges what no word covers.
    kept = [(word, count) for word, count in counts.most_common() if count > 1 or len(word) == 1]
    lines = [f"{''.join(lazy_pinyin(word, v_to_u=False))}\t{word}\t{count}" for word, count in kept]
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")

    sounds = sounds_of([word for word, _ in kept])
    SOUNDS.write_text("".join(f"{sound}\t{''.join(sorted(who))}\n" for sound, who in sorted(sounds.items())), encoding="utf-8")
    pairs = attested_pairs(asked, written, sounds)
    PAIRS.write_text("".join(f"{pair}\t{count}\n" for pair, count in pairs.most_common()), encoding="utf-8")
    print(f"{len(lines)} words → {TABLE.name}, {len(pairs)} pairs → {PAIRS.name}, {len(sounds)} sounds → {SOUNDS.name}")


def sounds_of(words: Iterable[str]) -> dict[str, set[str]]:
    """Folded syllable → characters that are read so, by themselves or in one of the words; all of GB 2312."""
    sounds: dict[str, set[str]] = defaultdict(set)
    for text in (*words, *_common_characters()):
        for character, syllable in zip(text, lazy_pinyin(text), strict=True):
            sounds[fold(syllable)].add(character)
    return sounds


def attested_pairs(asked: Iterable[str], written: Iterable[str], sounds: dict[str, set[str]]) -> Counter[str]:
    """Pairs of neighbouring characters, START and END of a run among them, that are the way a thing is written."""
    alike: dict[str, set[str]] = defaultdict(set)
    for characters in sounds.values():
        for character in characters:
            alike[character] |= characters - {character}
    counts = Counter(pair for text in asked for pair in _pairs(text))

    def is_slip(pair: str) -> bool:
        left, right = pair[0], pair[1]
        rivals = [counts[other + right] for other in alike[left]] + [counts[left + other] for other in alike[right]]
        return counts[pair] < _RARE and max(rivals, default=0) >= _TIMES * counts[pair]

    kept = Counter({pair: count for pair, count in counts.items() if count >= _SEEN and not is_slip(pair)})
    for pair in {pair for text in written for pair in _pairs(text)}:
        kept[pair] = max(kept[pair], _SEEN)
    return Counter(dict(sorted(kept.items())))


def _pairs(text: str) -> Iterator[str]:
    for run in HAN_RUN.findall(text):
        whole = f"{START}{run}{END}"
        yield from (whole[place : place + 2] for place in range(len(whole) - 1))


def _common_characters() -> Iterator[str]:
    for row in range(0xB0, 0xF8):
        yield from bytes(byte for cell in range(0xA1, 0xFF) for byte in (row, cell)).decode("gb2312", "ignore")


if __name__ == "__main__":
    main()
