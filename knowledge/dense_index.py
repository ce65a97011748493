"""Nearest vectors in Chroma. The only importer of chromadb.

An index on disk is never opened in place: Chroma writes to whatever it opens, needs a writable
folder, and does not notice a missing segment. The folder is a finished value; opening it works on
a private copy, so two processes can never disturb each other and a read-only folder serves too.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from knowledge.embedding import Vectors
from knowledge.errors import IndexProblem

if TYPE_CHECKING:
    from chromadb.api.client import Client

_BATCH = 5000  # Chroma takes at most 5461 records a call


class DenseIndex:
    """Entries ranked by the cosine of their vector with the query's.

    Entries lie in named groups that are searched apart: a short question is nearer to thousands of other
    short questions than to the text that answers it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            copy = Path(tempfile.mkdtemp(prefix="jiebei-index-"))
            # Removed when this object goes, at the latest when the process ends.
            self._remove_copy = weakref.finalize(self, shutil.rmtree, copy, ignore_errors=True)
            shutil.copytree(folder, copy, dirs_exist_ok=True)
        except OSError as error:
            raise IndexProblem(
                f"索引要在临时文件夹里打开，但写不进去（{error.strerror}）。请腾出磁盘空间，或设置 TMPDIR。"
            ) from None
        self._client = _client(copy)
        names = [collection.name for collection in self._client.list_collections()]
        self._groups = {name: self._client.get_collection(name, embedding_function=None) for name in names}
        self.size = sum(group.count() for group in self._groups.values())

    @staticmethod
    def build(
        folder: Path,
        vectors: Vectors,
        groups: Mapping[str, Sequence[int]],
        texts: Sequence[str],
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write the index of `vectors` (n, dimension) into a new folder; a group lists the entries that belong to it."""
        client = _client(folder)
        done = 0
        for name, numbers in groups.items():
            # Wide beams: with a few thousand entries the search is exact in practice, and a rebuild gives the same order.
            collection = client.create_collection(
                name,
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 200}},
            )
            for start in range(0, len(numbers), _BATCH):
                batch = list(numbers[start : start + _BATCH])
                collection.add(
                    ids=[str(number) for number in batch],
                    embeddings=vectors[batch],
                    documents=[texts[number] for number in batch],
                )
                done += len(batch)
                if on_progress is not None:
                    on_progress(done)
        client.close()

    def search(self, vector: Vectors, n: int, group: str) -> list[tuple[int, float]]:
        """The `n` nearest (entry, cosine) pairs of a group, best first; ties go to the lower entry."""
        entries = self._groups.get(group)
        if entries is None:
            return []
        result = entries.query(query_embeddings=vector[np.newaxis], n_results=min(n, entries.count()), include=["distances"])
        distances = (result["distances"] or [[]])[0]
        hits = [(int(id_), 1.0 - float(distance)) for id_, distance in zip(result["ids"][0], distances, strict=True)]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))

    def close(self) -> None:
        """Let go of the private copy."""
        self._client.close()
        self._remove_copy()


def _client(folder: Path) -> Client:
    import chromadb
    from chromadb.config import Settings

    client: Client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))  # type: ignore[assignment]
    return client
