"""Compute the vectors that travel with the model; run after the model, the corpus or the lexicon has changed.

python knowledge/model/precompute.py
"""

from __future__ import annotations

import argparse

from tqdm import tqdm

from knowledge.chinese_text import normalise
from knowledge.chunking import cut
from knowledge.documents import load_corpus
from knowledge.embedding import load_embedder
from knowledge.index import QUESTIONS
from knowledge.indexing import embedded_text, entries_of, other_questions
from knowledge.settings import ChunkingSettings, EmbeddingSettings, shipped
from knowledge.shipped_vectors import VECTORS_FILE, key_of, load_shipped_vectors, save_vectors


def main() -> None:
    """Keep the vectors that are still wanted, compute the rest, and say how many there are."""
    argparse.ArgumentParser(description="Compute the vectors that travel with the model.").parse_args()
    embedder = load_embedder(EmbeddingSettings())
    passages = [
        passage for document in load_corpus([shipped("corpus")]).documents for passage in cut(document, ChunkingSettings())
    ]
    entries = entries_of(passages) + other_questions(shipped("lexicon") / "other_questions.tsv")
    texts = {}
    for entry in entries:
        text = embedded_text(normalise(entry.text))
        texts[key_of(entry.group, text)] = (entry.group, text)
    vectors = load_shipped_vectors(embedder.identity, texts)
    missing = [(key, group, text) for key, (group, text) in texts.items() if key not in vectors]
    for embed, chosen in (
        (embedder.embed_queries, [item for item in missing if item[1] == QUESTIONS]),
        (embedder.embed_passages, [item for item in missing if item[1] != QUESTIONS]),
    ):
        with tqdm(total=len(chosen), desc="vectors") as bar:
            rows = embed([text for _, _, text in chosen], lambda done, bar=bar: bar.update(done - bar.n))  # type: ignore[misc]
        vectors |= {key: row for (key, _, _), row in zip(chosen, rows, strict=True)}
    save_vectors(vectors, embedder.identity)
    print(f"{len(vectors)} vectors, {len(missing)} of them new, {VECTORS_FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
