"""The Chinese and English part of the vocabulary, and a tokenizer over it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge.model.source_weights import BuildError, Source

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from transformers import PreTrainedTokenizerFast

MAX_TOKENS = 512
LATIN_PIECES = 6000
SPACE = "▁"
IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
CAPITALS = re.compile("[A-Z]{2}")
# Code points that may stand in a kept piece: Latin, Greek, punctuation and symbols, CJK, full-width forms, emoji.
KEPT_RANGES = (
    (0x0, 0x24F),
    (0x370, 0x3FF),
    (0x2000, 0x2BFF),
    (0x3000, 0x303F),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFE00, 0xFE4F),
    (0xFF00, 0xFFEF),
    (0x1F000, 0x1FAFF),
    (0x20000, 0x323AF),
)


def kept_pieces(source: Source, words: Iterable[str]) -> list[int]:
    """Ids of the pieces that stay, in their old order.

    All Chinese pieces, digits, punctuation, symbols and emoji, and every single letter (so that any Latin
    or Greek word can still be spelt) stay, and pairs of capitals, of which abbreviations are made. Of the
    longer Latin pieces, which serve a hundred languages, the 6,000 most frequent by the source's own
    scores stay, and the words that `kept_words.txt` lists.
    """
    kept = set(source.specials.values())
    listed = {form for word in words for form in (word, SPACE + word)}
    latin: list[int] = []
    for number, piece in enumerate(source.pieces):
        bare = piece.replace(SPACE, "")
        if number in kept or piece == "<mask>" or not all(_may_stay(character) for character in bare):
            continue
        is_text = any(character.isalpha() for character in bare)
        if len(bare) <= 1 or not is_text or IDEOGRAPH.search(bare) or CAPITALS.fullmatch(bare) or piece in listed:
            kept.add(number)
        elif bare.isascii():
            latin.append(number)
    latin.sort(key=lambda number: (-float(source.scores[number]), number))
    return sorted(kept.union(latin[:LATIN_PIECES]))


def read_words(path: Path) -> list[str]:
    """The words of a list: one or more a line, `#` starts a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [word for line in lines for word in line.split("#")[0].split()]


def _may_stay(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in KEPT_RANGES)


def build_tokenizer(source: Source, kept: Sequence[int]) -> Tokenizer:
    """A Unigram tokenizer over the kept pieces, cutting text as the source does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    new_id = {old: new for new, old in enumerate(kept)}
    specials = {name: new_id[old] for name, old in source.specials.items()}
    names = {old: name for name, old in source.specials.items()}
    vocabulary = [(names.get(old, source.pieces[old]), float(source.scores[old])) for old in kept]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=specials["<unk>"], byte_fallback=False))
    tokenizer.normalizer = build_normaliser(source.normalisation)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", specials["<s>"]), ("</s>", specials["</s>"])],
    )
    return tokenizer


def build_normaliser(rules: dict[str, str]) -> Normalizer:
    """The source's table of characters, written as NFKC and its exceptions.

    The table removes control characters, turns other white space into a space, and leaves a few characters
    as they are that NFKC would change. Of those only the full-width tilde has a piece of its own; it is
    carried past NFKC as a private-use character.
    """
    from tokenizers import Regex, normalizers

    exceptions = {old: new for old, new in rules.items() if unicodedata.normalize("NFKC", old) != new}
    if unexpected := sorted(set(exceptions.values()) - {"", " "}):
        raise BuildError(f"源文件的字符规则与预期不同：{unexpected[:5]}。")
    removed = [old for old, new in exceptions.items() if new == ""]
    spaces = [old for old, new in exceptions.items() if new == " "]
    tilde, carried = "\uff5e", "\ue000"
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(_character_class(removed)), ""),
            normalizers.Replace(Regex(_character_class(spaces)), " "),
            normalizers.Replace(tilde, carried),
            normalizers.NFKC(),
            normalizers.Replace(carried, tilde),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )


def _character_class(characters: Sequence[str]) -> str:
    return "[" + "".join(f"\\x{{{ord(character):X}}}" for character in characters) + "]"


def wrap_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The form in which transformers saves and trains with it."""
    from transformers import PreTrainedTokenizerFast

    roles = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>"}
    names = {f"{role}_token": piece for role, piece in roles.items()}
    make: Any = PreTrainedTokenizerFast  # its constructor carries no types
    wrapped: PreTrainedTokenizerFast = make(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **names)
    return wrapped
