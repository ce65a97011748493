"""Fit the intent head: is a question about what the corpus covers, and is somebody in danger?

    python knowledge/model/train_intents.py

A multinomial logistic regression over the shipped embedding. Its texts were written for it:
training questions and harmless look-alikes are `covered`, `out_of_scope.txt` and `risks.tsv` the rest.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from knowledge.chinese_text import normalise
from knowledge.embedding import load_embedder
from knowledge.settings import EmbeddingSettings
from knowledge.wordings import shipped_wordings

DATA = Path(__file__).parent / "training"
OUTPUT = Path(__file__).parent / "intents.json"
SEED = 7
# Documents about dangers: a question they answer may also be a call for help, so they train nothing.
_ABOUT_DANGERS = ("scam-", "cash-out", "illegal-requests", "stay-safe", "hardship")


def load_texts() -> tuple[list[str], list[str]]:
    """Texts and their labels: covered, out_of_scope, scam, illicit, crisis."""
    texts: list[str] = []
    labels: list[str] = []
    for passage, wordings in shipped_wordings().items():
        if not passage.startswith(_ABOUT_DANGERS):
            texts += wordings[::2]
            labels += ["covered"] * len(wordings[::2])
    for line in (DATA / "out_of_scope.txt").read_text(encoding="utf-8").splitlines():
        texts.append(line)
        labels.append("out_of_scope")
    for line in (DATA / "risks.tsv").read_text(encoding="utf-8").splitlines():
        label, text = line.split("\t")
        texts.append(text)
        labels.append("covered" if label == "harmless" else label)
    return texts, labels


def main() -> None:
    """Fit, print what cross-validation says, and write the head beside the model."""
    texts, labels = load_texts()
    embedder = load_embedder(EmbeddingSettings())
    vectors = embedder.embed_queries([normalise(text) for text in texts])
    head = LogisticRegression(C=20.0, max_iter=2000, class_weight="balanced", random_state=SEED)
    guessed = cross_val_predict(head, vectors, labels, cv=StratifiedKFold(5, shuffle=True, random_state=SEED))
    for label in sorted(set(labels)):
        true, said = np.array(labels) == label, guessed == label
        print(f"{label:14} n={true.sum():5}  recall {said[true].mean():.3f}  precision {true[said].mean():.3f}")
    head.fit(vectors, labels)
    values = {
        "model": embedder.identity,
        "labels": list(head.classes_),
        "weights": np.round(head.coef_, 4).tolist(),
        "bias": np.round(head.intercept_, 4).tolist(),
    }
    OUTPUT.write_text(json.dumps(values), encoding="utf-8")


if __name__ == "__main__":
    main()
