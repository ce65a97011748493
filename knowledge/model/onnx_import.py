"""The shipped weights back in a folder that can be trained: the inverse of `onnx_export`, up to the rounding to 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from knowledge.model.onnx_export import load_trainable
from knowledge.model.source_weights import BuildError

if TYPE_CHECKING:
    import torch

_BITS = 8


def restore(shipped: Path, trainable: Path) -> None:
    """Put the weights of a shipped `model.onnx` into the trainable folder it once came from, in place."""
    model = load_trainable(trainable)
    transformer: Any = model[0]
    loaded = transformer.auto_model.load_state_dict(dict(_weights(shipped)), strict=False)
    if odd := [*loaded.missing_keys, *loaded.unexpected_keys]:
        raise BuildError(f"{shipped} 与 {trainable} 的结构对不上：{sorted(odd)[:5]}。")
    model.save_pretrained(str(trainable))


def _weights(path: Path) -> Iterator[tuple[str, torch.Tensor]]:
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    yield "embeddings.word_embeddings.weight", torch.from_numpy(constants["table"] * constants["scale"])
    for name, values in constants.items():
        if name.startswith("bert."):
            yield name.removeprefix("bert."), torch.from_numpy(values.copy())
    for node in graph.node:
        if node.op_type != "MatMulNBits":
            continue
        bits = next(attribute.i for attribute in node.attribute if attribute.name == "bits")
        if bits != _BITS:
            raise BuildError(f"{path} 的权重是 {bits} 位，只能读回 {_BITS} 位的。")
        packed, scales = (constants[name] for name in node.input[1:3])
        numbers = packed.astype(np.float32) - (1 << (_BITS - 1))
        matrix = (numbers * scales.reshape(*numbers.shape[:2], 1)).reshape(len(packed), -1)
        name = node.name.removeprefix("/bert/").removesuffix("/MatMul").replace("/", ".")
        yield f"{name}.weight", torch.from_numpy(np.ascontiguousarray(matrix))
