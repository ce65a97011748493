"""The weights as a BertModel in a sentence-transformers folder, which can be trained."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from knowledge.model.source_weights import BuildError, Floats, Source
from knowledge.model.vocabulary import MAX_TOKENS

if TYPE_CHECKING:
    import torch
    from transformers import BertModel, PreTrainedTokenizerFast

PROMPTS = {"query": "query: ", "document": "passage: "}


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
