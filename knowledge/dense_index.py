"""Nearest vectors in Chroma. The only importer of chromadb.

An index on disk is never opened in place: Chroma writes to whatever it opens, needs a writable
folder, and does not notice a missing segment. The folder is a finished value; opening it works on
a private copy, so two processes can never disturb each other and a read-only folder serves too.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from knowledge.embedding import Vectors
from knowledge.errors import IndexProblem

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

_BATCH = 5000  # Chroma takes at most 5461 records a call
# Share of the entries that may go before an index is written anew.
_MOST_GONE = 0.1


class DenseIndex:
    """Entries ranked by the cosine of their vector with the query's.

    Entries lie in named groups that are searched apart: a short question is nearer to thousands of other
    short questions than to the text that answers it.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """Open what `build` wrote; `names` are those of the entries, in order."""
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
        self._numbers = {name: number for number, name in enumerate(names)}
        groups = [collection.name for collection in self._client.list_collections()]
        self._groups = {group: self._client.get_collection(group, embedding_function=None) for group in groups}
        # Asked once: counting takes Chroma longer than searching.
        self._sizes = {name: group.count() for name, group in self._groups.items()}
        self.size = sum(self._sizes.values())

    @staticmethod
    def build(
        folder: Path,
        vectors: Vectors,
        groups: Mapping[str, Sequence[int]],
        names: Sequence[str],
        on_progress: Callable[[int], None] | None = None,
        *,
        former: Path | None = None,
    ) -> None:
        """Write the index of `vectors` (n, dimension) into a new folder; a group lists the entries that belong to it.

        An entry keeps its name as long as its vector stays the same. Where there is a `former` index of the same
        model, only the entries whose names came or went are written; a great change is written anew.
        """
        if former is not None:
            shutil.copytree(former, folder, dirs_exist_ok=True)
        client = _client(folder)
        done = 0
        for group, numbers in groups.items():
            collection = _collection(client, group)
            known = set(collection.get(include=[])["ids"])
            wanted = {names[number]: number for number in numbers}
            gone = sorted(known - wanted.keys())
            if len(gone) > _MOST_GONE * len(known):
                # Removed entries stay in the graph as dead ends.
                client.delete_collection(group)
                collection = _collection(client, group)
                known, gone = set(), []
            for batch in _batches(gone):
                collection.delete(ids=list(batch))
            done += len(known) - len(gone)
            for batch in _batches([name for name in wanted if name not in known]):
                collection.add(ids=list(batch), embeddings=vectors[[wanted[name] for name in batch]])
                done += len(batch)
                if on_progress is not None:
                    on_progress(done)
        client.close()

    def search(self, vector: Vectors, n: int, group: str) -> list[tuple[int, float]]:
        """The `n` nearest (entry, cosine) pairs of a group, best first; ties go to the lower entry."""
        entries = self._groups.get(group)
        if entries is None:
            return []
        n = min(n, self._sizes[group])
        result = entries.query(query_embeddings=vector[np.newaxis], n_results=n, include=["distances"])
        distances = (result["distances"] or [[]])[0]
        hits = [(self._numbers[name], 1.0 - float(distance)) for name, distance in zip(result["ids"][0], distances, strict=True)]
        return sorted(hits, key=lambda hit: (-hit[1], hit[0]))

    def close(self) -> None:
        """Let go of the private copy."""
        self._client.close()
        self._remove_copy()


def warm_up() -> None:
    """Load Chroma, which takes a second, before it is needed."""
    import chromadb  # noqa: F401


def _client(folder: Path) -> Client:
    import chromadb
    from chromadb.config import Settings

    client: Client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))  # type: ignore[assignment]
    return client


def _collection(client: Client, group: str) -> Collection:
    # Wide beams: with some ten thousand entries the search is exact in practice, and a rebuild gives the same order.
    return client.get_or_create_collection(
        group,
        embedding_function=None,
        configuration={"hnsw": {"space": "cosine", "ef_construction": 200, "ef_search": 200}},
    )


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]
