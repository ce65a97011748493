"""Fit the intent head: is a question about what the corpus covers, and is somebody in danger?

    python knowledge/model/train_intents.py

Its texts were written for it: `lexicon/other_questions.tsv`, and for `covered` the ways of asking for passages.
"""

from __future__ import annotations

import random

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from knowledge.chinese_text import normalise
from knowledge.embedding import load_embedder
from knowledge.index import QUESTIONS
from knowledge.indexing import other_questions
from knowledge.intents import HEAD_FILE, features
from knowledge.settings import EmbeddingSettings, shipped
from knowledge.shipped_vectors import key_of, load_shipped_vectors
from knowledge.wordings import shipped_wordings

SEED = 7
COVERED = 30000
# Documents about dangers: a question they answer may also be a call for help, so they train nothing.
_ABOUT_DANGERS = ("scam-", "cash-out", "illegal-requests", "stay-safe", "hardship", "collection")


def load_texts() -> tuple[list[str], list[str]]:
    """Normalised texts and their labels: covered, harmless, out_of_scope, scam, illicit, crisis."""
    entries = other_questions(shipped("lexicon") / "other_questions.tsv")
    wordings = [text for id_, texts in shipped_wordings().items() if not id_.startswith(_ABOUT_DANGERS) for text in texts]
    covered = random.Random(SEED).sample(wordings, COVERED)  # noqa: S311
    texts = [normalise(text) for text in (*(entry.text for entry in entries), *covered)]
    return texts, [entry.kind for entry in entries] + ["covered"] * COVERED


def main() -> None:
    """Fit, print what cross-validation says, and write the head beside the model."""
    texts, kinds = load_texts()
    embedder = load_embedder(EmbeddingSettings())
    keys = [key_of(QUESTIONS, text) for text in texts]
    known = load_shipped_vectors(embedder.identity, set(keys))
    vectors = [known[key] if key in known else embedder.embed_query(text) for key, text in zip(keys, texts, strict=True)]
    matrix = csr_matrix(np.stack([features(text, vector) for text, vector in zip(texts, vectors, strict=True)]))
    labels = np.array(["covered" if kind == "harmless" else kind for kind in kinds])
    head = LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced", random_state=SEED)
    folds = StratifiedKFold(5, shuffle=True, random_state=SEED)
    likely = cross_val_predict(head, matrix, labels, cv=folds, method="predict_proba")
    head.fit(matrix, labels)
    names = list(head.classes_)
    danger = likely[:, [names.index(name) for name in ("scam", "illicit", "crisis")]].sum(axis=1)
    in_danger, harmless = np.isin(labels, ["scam", "illicit", "crisis"]), np.array(kinds) == "harmless"
    for bar in (0.5, 0.7, 0.8, 0.9, 0.95):
        found, alarms = (danger[in_danger] >= bar).mean(), (danger[harmless] >= bar).mean()
        others = (danger[~in_danger & ~harmless] >= bar).mean()
        print(f"danger >= {bar}: recall {found:.3f}, false alarms {alarms:.3f} of harmless look-alikes, {others:.3f} of others")
    strange, out = likely[:, names.index("out_of_scope")], labels == "out_of_scope"
    for bar in (0.5, 0.7, 0.9):
        print(f"out of scope >= {bar}: recall {(strange[out] >= bar).mean():.3f}, false {(strange[~out] >= bar).mean():.4f}")
    np.savez_compressed(
        HEAD_FILE,
        model=np.array(embedder.identity),
        labels=np.array(names),
        weights=head.coef_.astype(np.float16),
        bias=head.intercept_.astype(np.float32),
    )


if __name__ == "__main__":
    main()
