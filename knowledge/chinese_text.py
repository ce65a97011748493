"""Chinese as people type it: normalised, cut into sentences, cut into words.

The only importer of the segmenter and of the traditional-to-simplified converter; both are loaded
on first use, since a plain import must stay light.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from knowledge.homophones import respell
from knowledge.pinyin import read_pinyin

if TYPE_CHECKING:
    import opencc
    import rjieba

# Format and control characters (zero width, bidirectional marks, tag characters), lone surrogates.
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Cc", "Cs", "Co"})
_KEPT_CONTROLS = frozenset("\n\t")
_CHINESE_PUNCTUATION = re.compile("([！？，：；（）])")
_SPACES = re.compile(r"[^\S\n]+")
# A Latin word glued to Chinese ("借呗edu") still ends at the first Chinese character.
_LATIN_RUN = re.compile(r"[a-z][a-z ]*[a-z]|[a-z]")
_SENTENCE = re.compile(r"[^。！？!?\n]*[。！？!?]+[”’」』）)】]*|[^。！？!?\n]+")
_LIST_MARK = re.compile(r"(?:[-*+](?=\s)|\d{1,2}[.、．)）](?!\d))\s*")
# High enough that a domain word is never cut, whatever the general dictionary says.
_DOMAIN_FREQUENCY = 1_000_000
_WORD = re.compile(r"\w")
_HAN = re.compile(r"[\u3400-\u9fff]+")


def scrub(text: str) -> str:
    """NFKC without invisible, control or unpaired characters; idempotent, never raises.

    Chinese punctuation stays as it was typed, so that a scrubbed question can be shown again.
    """
    pieces = _CHINESE_PUNCTUATION.split(_visible(text))
    return "".join(piece if place % 2 else _visible(unicodedata.normalize("NFKC", piece)) for place, piece in enumerate(pieces))


def _visible(text: str) -> str:
    if text.isprintable():  # nothing to look for, and that is nearly every text
        return text
    return "".join(c for c in text if c in _KEPT_CONTROLS or unicodedata.category(c) not in _INVISIBLE_CATEGORIES)


def normalise(text: str, *, by_ear: bool = True) -> str:
    """The one form in which queries and index entries are compared.

    Scrubbed, lower case, simplified characters, pinyin read, known misspellings and old names
    replaced, spaces collapsed, characters typed for others of the same sound put right (unless
    `by_ear` is false). Idempotent.
    """
    text = _converter().convert(unicodedata.normalize("NFKC", scrub(text)).lower())
    for _ in range(3):  # a replacement can complete another one; three rounds reach the fixed point
        replaced = _replace_typed_forms(text)
        if by_ear:
            replaced = respell(replaced, _is_word)
        if replaced == text:
            break
        text = replaced
    return _SPACES.sub(" ", text).strip()


def iter_sentences(text: str) -> Iterator[tuple[int, int]]:
    """Offsets of the sentences of `text`, list marks and surrounding blanks left out."""
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        while start < end and text[start].isspace():
            start += 1
        mark = _LIST_MARK.match(text, start, end)
        if mark is not None and (start == 0 or text[:start].rstrip(" \t").endswith("\n") or not text[:start].strip()):
            start = mark.end()
        while end > start and text[end - 1].isspace():
            end -= 1
        if _WORD.search(text, start, end):
            yield start, end


def segment(text: str) -> list[str]:
    """Words of a normalised text for the keyword index, with the character pairs inside them.

    Pairs keep a misjudged word boundary from hiding a match; punctuation is left out.
    """
    words: list[str] = []
    for word in words_of(text):
        words.append(word)
        if len(word) > 2 and _HAN.fullmatch(word):
            words.extend(word[i : i + 2] for i in range(len(word) - 1))
    return words


def words_of(text: str) -> list[str]:
    """Words of a normalised text, punctuation left out."""
    return [word for word in _segmenter().cut(text) if _WORD.search(word)]


def _is_word(characters: str) -> bool:
    """Whether the dictionary holds them as one word (nothing is guessed from their shape)."""
    return len(_segmenter().cut(characters, False)) == 1


def _replace_typed_forms(text: str) -> str:
    pattern, forms = _typed_forms()
    text = pattern.sub(lambda match: forms[match.group()], text)
    latin = _latin_forms()

    def pinyin(match: re.Match[str]) -> str:
        run = match.group()
        if (words := read_pinyin(run)) is not None:
            return words
        for typed, form in latin:
            run = re.sub(rf"(?<![a-z]){typed}(?![a-z])", form, run)
        return run

    return _LATIN_RUN.sub(pinyin, text)


@cache
def _forms() -> tuple[tuple[str, str], ...]:
    lines = (files("knowledge") / "lexicon" / "typed_forms.tsv").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if line.strip())
    return tuple(sorted(((typed, form) for typed, form in pairs if typed != form), key=lambda pair: -len(pair[0])))


@cache
def _typed_forms() -> tuple[re.Pattern[str], dict[str, str]]:
    forms = {typed: form for typed, form in _forms() if not typed.isascii()}
    return re.compile("|".join(map(re.escape, forms))), forms


@cache
def _latin_forms() -> tuple[tuple[str, str], ...]:
    return tuple((typed, form) for typed, form in _forms() if typed.isascii())


@cache
def _converter() -> opencc.OpenCC:
    import opencc

    return opencc.OpenCC("t2s")


@cache
def _segmenter() -> rjieba.Jieba:
    import rjieba

    segmenter = rjieba.Jieba()
    words = (files("knowledge") / "lexicon" / "words.txt").read_text(encoding="utf-8").split()
    for word in words:
        segmenter.add_word(word, _DOMAIN_FREQUENCY, "n")
    return segmenter
