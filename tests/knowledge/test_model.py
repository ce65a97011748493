"""The model folder that ships, and the two pure steps of the script that makes it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from knowledge.embedding import load_embedder
from knowledge.model.onnx_export import pack
from knowledge.model.source_weights import BuildError, read_source
from knowledge.settings import EmbeddingSettings, shipped

FOLDER = shipped("model")


def test_the_folder_is_what_its_config_says() -> None:
    config = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256((FOLDER / "model.onnx").read_bytes() + (FOLDER / "tokenizer.json").read_bytes())
    assert config["sha256"] == digest.hexdigest()
    assert (config["dimension"], config["query_prefix"], config["passage_prefix"]) == (384, "query: ", "passage: ")


@pytest.mark.parametrize(
    "text",
    [
        "借呗额度没了😭🙏",
        "借唄額度被調低了，該怎麼辦",
        "ＡＰＰ１２３（暂不符合）～",
        "Why is my limit zero? iPhone WiFi",
        "αβ ≥ ① “《》”…",
    ],
)
def test_what_people_type_has_no_unknown_pieces(text: str) -> None:
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    assert tokenizer.token_to_id("<unk>") not in tokenizer.encode(text).ids


def test_a_text_has_one_vector_whatever_stands_beside_it() -> None:
    embedder = load_embedder(EmbeddingSettings())
    texts = ["额度降低了怎么办", "按时还款有助于保持良好的信用记录。" * 5, "", "借" * 2000]
    together = embedder.embed_passages(texts)
    alone = np.stack([embedder.embed_passages([text])[0] for text in texts])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
def test_packed_weights_unpack_to_what_they_were(bits: int) -> None:
    steps = np.random.default_rng(0).integers(-8, 8, size=(6, 64)).astype(np.float32)
    steps[:, ::32] = -8  # every block reaches its end, as the source's blocks do
    weights = steps * np.float32(0.03)
    packed, scales = pack(weights, bits)
    numbers = np.stack([packed & 15, packed >> 4], axis=-1).reshape(6, 2, 32) if bits == 4 else packed
    unpacked = (numbers.astype(np.float32) - (1 << (bits - 1))) * scales[:, :, None]
    assert np.allclose(unpacked.reshape(6, 64), weights, atol=1e-6 if bits == 4 else 1e-3)


def test_a_source_that_is_not_one_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.bin"
    wrong.write_bytes(b"not a model")
    with pytest.raises(BuildError, match="文件头不对"):
        read_source(wrong)
