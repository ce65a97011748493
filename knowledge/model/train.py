"""Fine-tune the shipped embedding on questions written for this corpus.

    python knowledge/model/build_model.py --keep-trainable base/
    python knowledge/model/train.py base/ tuned/
    python knowledge/model/build_model.py --from-folder tuned/ --output knowledge/model/

Contrastive (InfoNCE over the batch, as in sentence-transformers' MultipleNegativesRankingLoss): a
typed question must lie nearer to another way of asking the same thing, and to the passage that
answers it, than to those of every other passage in the batch. The batch is not left to chance: each
question brings along a question of another passage that the present model likes to confuse it with,
so that 提额 and 降额 meet in every epoch. Positives that share a passage are masked, never pushed apart.
Questions that no passage answers stand in every batch as well, as something to keep away from, and
some questions are misspelled on the way in, as people misspell them.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pypinyin import lazy_pinyin
from sentence_transformers import SentenceTransformer
from tqdm import tqdm

from knowledge.chinese_text import normalise, segment
from knowledge.chunking import cut
from knowledge.documents import load_corpus
from knowledge.indexing import other_questions
from knowledge.settings import ChunkingSettings, shipped

_HAN = re.compile(r"[\u4e00-\u9fff]")
_MINED_AT_ONCE = 1024
_NEIGHBOURS = 200


@dataclass(frozen=True)
class TrainingSettings:
    """What makes a run; recorded beside the result."""

    seed: int = 7
    epochs: int = 2
    batch: int = 48
    learning_rate: float = 6e-5
    warmup: float = 0.1
    temperature: float = 0.04
    # Bodies are many times as long as questions: every so many steps is enough to keep them close.
    body_every: int = 8
    body_chars: int = 64
    # Ranks among the other passages from which a confusable question is drawn; the first may be a fair second answer.
    confusable_ranks: tuple[int, int] = (2, 10)
    # Questions out of scope in each batch.
    strangers: int = 16
    # Share of the questions that are misspelled.
    misspelled: float = 0.3
    # Of each passage's questions so many are learnt from, those written last; 0 for all.
    newest: int = 0


@dataclass(frozen=True)
class Item:
    """One passage: everything people may type to get it, and what it says."""

    id: str
    questions: tuple[str, ...]
    body: str


@dataclass(frozen=True)
class Lesson:
    """What is learnt from: the passages with their questions, and questions that none of them answers."""

    items: list[Item]
    strangers: list[str]


def load_items() -> list[Item]:
    """Passages of the shipped corpus with every way of asking for them."""
    passages = [
        passage for document in load_corpus([shipped("corpus")]).documents for passage in cut(document, ChunkingSettings())
    ]
    return [
        Item(
            id=passage.id,
            questions=tuple(dict.fromkeys(map(normalise, (*passage.questions, *passage.wordings)))),
            body=normalise(f"{passage.title} {passage.heading}\n{passage.text}"),
        )
        for passage in passages
        if passage.headings
    ]


def main() -> None:
    """Train, showing progress and the loss, and save folder and settings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("base", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--epochs", type=int, default=TrainingSettings.epochs)
    parser.add_argument("--newest", type=int, default=0, metavar="N", help="of each passage's questions only the N newest")
    parser.add_argument("--steps", type=int, default=0, help="stop early, for a trial")
    options = parser.parse_args()
    settings = TrainingSettings(epochs=options.epochs, newest=options.newest)
    seed_everything(settings.seed)
    items = [replace(item, questions=item.questions[-settings.newest :]) for item in load_items()]
    model = SentenceTransformer(
        str(options.base), device="cpu", model_kwargs={"add_pooling_layer": False, "dtype": torch.float32}
    )
    print(f"{len(items)} passages, {sum(len(item.questions) for item in items)} questions")
    strangers = [
        normalise(entry.text)
        for entry in other_questions(shipped("lexicon") / "other_questions.tsv")
        if entry.kind == "out_of_scope"
    ]
    train(model, Lesson(items, strangers), settings, options.output, options.steps)
    record = {**settings.__dict__, "passages": len(items), "questions": sum(len(item.questions) for item in items)}
    (options.output / "training.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def seed_everything(seed: int) -> None:
    """One seed for every source of chance."""
    random.seed(seed)
    np.random.seed(seed)  # libraries below draw from the global generator
    torch.manual_seed(seed)


def train(
    model: SentenceTransformer,
    lesson: Lesson,
    settings: TrainingSettings,
    output: Path,
    max_steps: int = 0,
) -> None:
    """Optimise `model` in place and save it after every epoch."""
    # The word table stays as it is: words outside the training data must keep their place.
    body: Any = model[0].auto_model
    body.embeddings.word_embeddings.requires_grad_(False)
    pairs = [(number, question) for number, item in enumerate(lesson.items) for question in item.questions]
    total = settings.epochs * len(pairs) // settings.batch
    optimiser = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=settings.learning_rate, weight_decay=0.01
    )
    warmup = max(1, int(total * settings.warmup))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, max(0.0, (total - step) / max(1, total - warmup)))
    )
    misspell = Misspeller(pairs)
    bar = tqdm(total=total, desc="training")
    step = 0
    for _ in range(settings.epochs):
        confusable = mine_confusable(model, pairs, settings)
        for batch in iter_batches(pairs, settings.batch):
            typed = [normalise(misspell(text)) if random.random() < settings.misspelled else text for _, text in batch]
            with_bodies = step % settings.body_every == 0
            asked = [(number, text, slip) for (number, text), slip in zip(batch, typed, strict=True)]
            loss = batch_loss(model, asked, lesson, confusable, settings, with_bodies=with_bodies)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            step += 1
            bar.update()
            bar.set_postfix(loss=f"{loss.item():.3f}")
            if max_steps and step >= max_steps:
                break
        model.save_pretrained(str(output))
        if max_steps and step >= max_steps:
            break
    bar.close()


class Misspeller:
    """Questions as hurried thumbs type them: a character lost, doubled, swapped or replaced by one that sounds the same."""

    def __init__(self, pairs: Sequence[tuple[int, str]]) -> None:
        characters = sorted({character for _, text in pairs for character in text if _HAN.match(character)})
        self._sound = dict(zip(characters, lazy_pinyin(characters), strict=True))
        self._alike: dict[str, list[str]] = defaultdict(list)
        for character, sound in self._sound.items():
            self._alike[sound].append(character)

    def __call__(self, text: str) -> str:
        """The text with one or two slips, or with a word in pinyin, or with a blank inside."""
        way = random.random()
        if way < 0.15:
            word = random.choice(segment(text) or [text])
            return text.replace(word, " ".join(lazy_pinyin(word)), 1)
        if way < 0.25:
            place = random.randrange(len(text))
            return f"{text[:place]} {text[place:]}"
        for _ in range(random.choice((1, 1, 2))):
            text = self._slip(text)
        return text

    def _slip(self, text: str) -> str:
        if len(text) < 4:
            return text
        place = random.randrange(len(text) - 1)
        one, other = text[place], text[place + 1]
        slip = random.choice(("lose", "double", "swap", "sound", "sound"))
        if slip == "lose":
            middle = other
        elif slip == "double":
            middle = one + one + other
        elif slip == "swap":
            middle = other + one
        else:
            middle = random.choice(self._alike.get(self._sound.get(one, ""), [one])) + other
        return text[:place] + middle + text[place + 2 :]


def iter_batches(pairs: Sequence[tuple[int, str]], size: int) -> Iterator[list[tuple[int, str]]]:
    """Shuffled batches in which no passage occurs twice; what is left over waits for the next one."""
    waiting = random.sample(list(pairs), len(pairs))
    while len(waiting) >= size:
        batch: list[tuple[int, str]] = []
        used: set[int] = set()
        later: list[tuple[int, str]] = []
        for position, pair in enumerate(waiting):
            if pair[0] in used:
                later.append(pair)
                continue
            used.add(pair[0])
            batch.append(pair)
            if len(batch) == size:
                later.extend(waiting[position + 1 :])
                break
        if len(batch) < size:
            return
        waiting = later
        yield batch


def mine_confusable(
    model: SentenceTransformer, pairs: Sequence[tuple[int, str]], settings: TrainingSettings
) -> dict[str, list[tuple[int, str]]]:
    """For each question the ones nearest to it of other passages, one a passage, as (passage, question)."""
    model.eval()
    with torch.no_grad():
        encoded = model.encode_query([question for _, question in pairs], batch_size=128, show_progress_bar=True)
    vectors = np.asarray(encoded, dtype=np.float32)
    first, last = settings.confusable_ranks
    found: dict[str, list[tuple[int, str]]] = {}
    for start in range(0, len(pairs), _MINED_AT_ONCE):
        similarity = vectors[start : start + _MINED_AT_ONCE] @ vectors.T
        for (owner, question), row in zip(pairs[start : start + _MINED_AT_ONCE], similarity, strict=True):
            nearest: dict[int, str] = {}
            for place in np.argsort(-row)[:_NEIGHBOURS].tolist():
                other, text = pairs[place]
                if other != owner:
                    nearest.setdefault(other, text)
            found[question] = list(nearest.items())[first - 1 : last]
    return found


def batch_loss(
    model: SentenceTransformer,
    batch: Sequence[tuple[int, str, str]],
    lesson: Lesson,
    confusable: Mapping[str, Sequence[tuple[int, str]]],
    settings: TrainingSettings,
    *,
    with_bodies: bool,
) -> torch.Tensor:
    """InfoNCE of typed questions against ways of asking, and at times against bodies.

    `batch` holds (passage, question, the question as it is typed).
    """
    model.train()
    items = lesson.items
    owners = [number for number, _, _ in batch]
    rivals = [random.choice(confusable[question]) for _, question, _ in batch if confusable[question]]
    columns = owners + [number for number, _ in rivals]
    anchors = embed(model, [typed for _, _, typed in batch], "query")
    asked = [
        random.choice([other for other in items[number].questions if other != question] or [question])
        for number, question, _ in batch
    ] + [text for _, text in rivals]
    strangers = random.sample(lesson.strangers, settings.strangers)
    candidates = embed(model, [*asked, *strangers], "query")
    loss = info_nce(anchors, candidates, owners, columns + [-1] * len(strangers), settings.temperature)
    if with_bodies:
        bodies = embed(
            model, [items[number].body[: settings.body_chars] for number in columns[: len(owners) * 3 // 2]], "document"
        )
        loss = loss + info_nce(anchors, bodies, owners, columns[: len(owners) * 3 // 2], settings.temperature)
    return loss


def info_nce(
    anchors: torch.Tensor, candidates: torch.Tensor, owners: Sequence[int], columns: Sequence[int], temperature: float
) -> torch.Tensor:
    """Cross entropy of each anchor over all candidates; candidates of its own passage beside the target are masked."""
    scores = anchors @ candidates.T / temperature
    same = torch.tensor(owners)[:, None] == torch.tensor(list(columns))[None, :]
    target = torch.arange(len(owners))
    same[target, target] = False
    return torch.nn.functional.cross_entropy(scores.masked_fill(same, -1e4), target)


def embed(model: SentenceTransformer, texts: Sequence[str], prompt: str) -> torch.Tensor:
    """Unit vectors with gradients, shape (len(texts), dimension)."""
    prefix = model.prompts[prompt] or ""
    features = model.preprocess([prefix + text for text in texts])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = model(features)["sentence_embedding"]
    return torch.nn.functional.normalize(vectors.float(), dim=-1)


if __name__ == "__main__":
    main()
