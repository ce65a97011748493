"""The trained folder as ONNX with weights of 4 or 8 bits, checked against the one it was made from.

Weights are packed for onnxruntime's MatMulNBits, in blocks of 32. The usual dynamic 8-bit form was
measured and left: it scales activations by the whole batch, so that a text's vector depends on the
texts beside it, and every fourth question found another first passage than in full precision.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from knowledge.model.source_weights import BLOCK, BuildError, Floats, say, sha256
from knowledge.model.vocabulary import MAX_TOKENS

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertModel

LEAST_AGREEMENT = 0.995  # cosine of an exported vector with the one it stands for
OPSET = 17


def export_folder(folder: Path, output: Path, *, name: str, bits: int) -> None:
    """Write the shipped layout from any sentence-transformers folder of a BERT model with mean pooling."""
    model = load_trainable(folder)
    output.mkdir(parents=True, exist_ok=True)
    say("导出 ONNX …")
    with tempfile.TemporaryDirectory() as scratch:
        traced = Path(scratch) / "traced.onnx"
        trace(model, traced)
        say(f"把权重压成 {bits} 位 …")
        quantise(traced, output / "model.onnx", bits)
    write_tokenizer(model, output / "tokenizer.json")
    write_config(model, folder, output, name=name, bits=bits)
    say("与未压缩的模型核对 …")
    agreement = verify(model, output)
    megabytes = (output / "model.onnx").stat().st_size / 1e6
    say(f"完成：{output}（model.onnx {megabytes:.1f} MB，余弦最小 {agreement:.5f}）")


def load_trainable(folder: Path) -> SentenceTransformer:
    """The model in a folder, refused when the shipped layout could not express it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    if not (folder / "modules.json").is_file():
        raise BuildError(f"{folder} 不是 sentence-transformers 模型文件夹（缺少 modules.json）。")
    settings = {"add_pooling_layer": False, "attn_implementation": "eager"}
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs=settings).float().eval()
    kind = _bert(model).config.model_type
    if kind != "bert":
        raise BuildError(f"{folder} 是 {kind} 模型，这里只能导出 BERT 结构的模型。")
    poolings = [module for module in model if isinstance(module, Pooling)]
    if len(poolings) != 1 or poolings[0].get_config_dict()["pooling_mode"] != "mean":
        raise BuildError(f"{folder} 的池化不是平均池化，这里只能导出平均池化的模型。")
    return model


def _bert(model: SentenceTransformer) -> BertModel:
    transformer: Any = model[0]
    bert: BertModel = transformer.auto_model
    return bert


def trace(model: SentenceTransformer, path: Path) -> None:
    """Write one fp32 graph: token ids and mask in, unit vectors out; the word table already in 8 bits."""
    import torch
    from torch import nn

    class Graph(nn.Module):
        """Word table, encoder, mean over the unmasked tokens, unit length."""

        table: torch.Tensor
        scale: torch.Tensor

        def __init__(self, bert: BertModel) -> None:
            super().__init__()
            self.bert = bert
            table = bert.embeddings.word_embeddings.weight.detach()
            # One scale a row: rare words have short vectors, which one scale for the table would flatten.
            scale = table.abs().amax(dim=1, keepdim=True).clamp_min(1e-8) / 127
            self.register_buffer("scale", scale)
            self.register_buffer("table", torch.round(table / scale).to(torch.int8))

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            words = self.table[input_ids].float() * self.scale[input_ids]
            hidden = self.bert(inputs_embeds=words, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1e-9)
            return nn.functional.normalize(mean, dim=1)

    ids = torch.tensor([[0, 5, 6, 2], [0, 5, 2, 1]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns of every Python branch, and of its own age
        torch.onnx.export(
            Graph(_bert(model)).eval(),
            (ids, mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=["embedding"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "embedding": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def quantise(traced: Path, path: Path, bits: int) -> None:
    """Replace every product with a constant matrix by MatMulNBits over packed blocks."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(traced)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    replaced: set[str] = set()
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in constants:
            continue
        name = node.input[1]
        weights = numpy_helper.to_array(constants[name])
        columns, rows = weights.shape
        if columns % BLOCK:
            raise BuildError(f"矩阵 {name} 的行数 {columns} 不是 {BLOCK} 的倍数，无法分块压缩。")
        packed, scales = pack(np.ascontiguousarray(weights.T), bits)
        graph.initializer.append(numpy_helper.from_array(packed, f"{name}.packed"))
        graph.initializer.append(numpy_helper.from_array(scales, f"{name}.scales"))
        layout = {"K": columns, "N": rows, "bits": bits, "block_size": BLOCK, "accuracy_level": 4}
        inputs = [node.input[0], f"{name}.packed", f"{name}.scales"]
        node.CopyFrom(helper.make_node("MatMulNBits", inputs, list(node.output), node.name, domain="com.microsoft", **layout))
        replaced.add(name)
    remaining = [tensor for tensor in graph.initializer if tensor.name not in replaced]
    del graph.initializer[:]
    graph.initializer.extend(remaining)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)


def pack(weights: Floats, bits: int) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Rows (n, k) → blocks (n, k / 32, bytes) around the middle of the range, and one scale a block.

    In 4 bits the weight furthest from zero decides scale and sign, as it did in the source: weights that
    came from there are met exactly.
    """
    blocks = weights.reshape(len(weights), -1, BLOCK)
    furthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=2)[:, :, None], axis=2)
    spread = furthest / -8 if bits == 4 else np.abs(furthest) / 127
    scales: Floats = np.where(spread == 0, 1, spread).astype(np.float32)
    middle = 1 << (bits - 1)
    numbers = np.clip(np.rint(blocks / scales) + middle, 0, 2 * middle - 1).astype(np.uint8)
    packed = numbers[:, :, 0::2] | numbers[:, :, 1::2] << 4 if bits == 4 else numbers
    return np.ascontiguousarray(packed), scales[:, :, 0]


def write_tokenizer(model: SentenceTransformer, path: Path) -> None:
    """The tokenizer with its cutting at 512 tokens and its padding, ready for `Tokenizer.from_file`."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(model.tokenizer.backend_tokenizer.to_str())
    pad = model.tokenizer.pad_token
    tokenizer.enable_truncation(_max_tokens(model))
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    tokenizer.save(str(path), pretty=False)


def write_config(model: SentenceTransformer, folder: Path, output: Path, *, name: str, bits: int) -> None:
    """What a reader of the folder must know; `sha256` changes whenever a vector could."""
    shipped = [output / "model.onnx", output / "tokenizer.json"]
    weights = folder / "model.safetensors"
    origin = getattr(_bert(model).config, "origin", None)
    config = {
        "name": name,
        "dimension": model.get_embedding_dimension(),
        "max_tokens": _max_tokens(model),
        "query_prefix": model.prompts.get("query", ""),
        "passage_prefix": model.prompts.get("document") or model.prompts.get("passage", ""),
        "pooling": "mean",
        "normalized": True,
        "inputs": ["input_ids", "attention_mask"],
        "output": "embedding",
        "weight_bits": bits,
        "vocabulary": len(model.tokenizer),
        "licence": origin["licence"] if origin else "unknown",
        "source": origin or {"folder": folder.name},
        "weights_sha256": sha256(weights) if weights.is_file() else "",
        "sha256": sha256(*shipped),
    }
    text = json.dumps(config, ensure_ascii=False, indent=2)
    (output / "config.json").write_text(text + "\n", encoding="utf-8")


def _max_tokens(model: SentenceTransformer) -> int:
    return min(int(model.max_seq_length or MAX_TOKENS), MAX_TOKENS)


SAMPLES = (
    "借呗额度为什么突然没有了？",
    "额度降到0还能恢复吗，大概要多久",
    "我的借唄額度被調低了，該怎麼辦",
    "查询信用报告时，请提供本人有效身份证件。",
    "ＡＰＰ里显示“暂不符合开通条件”～",
    "APP 打不开，iPhone 15 和 WiFi 都正常😭",
    "Why is my credit limit zero?",
    "2018年1月，公开回应称：会按使用情况和信用行为动态调整资格与额度，有升有降都属正常。",
)


def verify(model: SentenceTransformer, output: Path) -> float:
    """Least cosine between exported and trainable vectors over the samples; raises where they part."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(output / "tokenizer.json"))
    encodings = tokenizer.encode_batch(list(SAMPLES))
    unknown_id = model.tokenizer.unk_token_id
    if unknown := [text for text, encoding in zip(SAMPLES, encodings, strict=True) if unknown_id in encoding.ids]:
        say(f"注意：词表不认识这些例句中的某些字：{unknown}")
    feed = {
        "input_ids": np.array([encoding.ids for encoding in encodings], dtype=np.int64),
        "attention_mask": np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64),
    }
    session = onnxruntime.InferenceSession(str(output / "model.onnx"), providers=["CPUExecutionProvider"])
    exported = np.asarray(session.run(["embedding"], feed)[0])
    expected = np.asarray(model.encode(list(SAMPLES), prompt="", normalize_embeddings=True, show_progress_bar=False))
    agreement = float((exported * expected).sum(axis=1).min())
    if not agreement >= LEAST_AGREEMENT:
        raise BuildError(f"导出的模型与原模型不一致（余弦最小 {agreement:.4f}，要求 {LEAST_AGREEMENT}）。请改用 --bits 8。")
    return agreement
