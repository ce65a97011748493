"""Vectors that travel with the model, so that a first start takes seconds: `model/vectors.npz`.

They only save time. An entry that is not among them is embedded as always, and for any other model
there are none. `python knowledge/model/precompute.py` writes the file anew. A vector is kept in 8 bits
a component with one scale; its cosine with the exact one is above 0.999.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container
from pathlib import Path

import numpy as np

from knowledge.embedding import Vectors
from knowledge.settings import shipped

VECTORS_FILE = Path(shipped("model") / "vectors.npz")
_KEY_BYTES = 8


def key_of(group: str, text: str) -> bytes:
    """The name of a vector: what was embedded, and whether as a question or as a text."""
    return hashlib.sha256(f"{group}\0{text}".encode()).digest()[:_KEY_BYTES]


def load_shipped_vectors(model_identity: str, wanted: Container[bytes], path: Path = VECTORS_FILE) -> dict[bytes, Vectors]:
    """Unit vectors by their key, of the `wanted` ones that travel with the model; none where they belong to another."""
    if not path.is_file():
        return {}
    with np.load(path) as values:
        if str(values["model"]) != model_identity:
            return {}
        keys = values["keys"].tobytes()
        codes = values["codes"]
    rows = {row: key for row in range(len(codes)) if (key := keys[row * _KEY_BYTES : (row + 1) * _KEY_BYTES]) in wanted}
    vectors = codes[list(rows)].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(rows.values(), vectors, strict=True))


def save_vectors(vectors: dict[bytes, Vectors], model_identity: str, path: Path = VECTORS_FILE) -> None:
    """Write the file; the same vectors give the same bytes."""
    keys = sorted(vectors)
    rows = np.stack([vectors[key] for key in keys])
    codes = np.round(rows / np.abs(rows).max(axis=1, keepdims=True) * 127).astype(np.int8)
    np.savez(path, model=np.array(model_identity), keys=np.frombuffer(b"".join(keys), dtype=np.uint8), codes=codes)
