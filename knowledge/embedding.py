"""Texts → unit vectors. The only importer of onnxruntime, and one of two of sentence_transformers.

The model that ships runs on onnxruntime alone (0.1 s to import, 3 ms a query); any other
sentence-transformers model is one setting away and is loaded through that library.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from knowledge.errors import ModelUnavailable
from knowledge.settings import EmbeddingSettings, shipped

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Read once, when onnxruntime is first imported, be it here or by chromadb: otherwise it reports to its makers
# from a thread of its own, a while after start. Its own `disable_telemetry_events` comes too late for that.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

Vectors = npt.NDArray[np.float32]
_BATCH = 32


class Embedder(Protocol):
    """Anything that can place queries and passages in one space."""

    @property
    def identity(self) -> str:
        """Changes whenever the same text would get another vector."""

    @property
    def dimension(self) -> int: ...

    def embed_query(self, query: str) -> Vectors:
        """Shape (dimension,), Euclidean length 1."""

    def embed_passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """Shape (len(texts), dimension), rows of length 1; `on_progress` gets the number done so far."""

    def embed_queries(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """Like `embed_passages`, for texts that are questions."""


def load_embedder(settings: EmbeddingSettings) -> Embedder:
    """The embedder the setting names; raises ModelUnavailable with the way out."""
    folder = shipped("model") if settings.model == "shipped" else Path(settings.model).expanduser()
    if (folder / "model.onnx").is_file():
        return OnnxEmbedder(folder, threads=settings.threads)
    if settings.model == "shipped":
        raise ModelUnavailable(f"随项目附带的模型不完整：缺少 {folder / 'model.onnx'}。请重新安装本项目。")
    return SentenceTransformersEmbedder(settings.model)


class OnnxEmbedder:
    """The exported model of this project: `model.onnx`, `tokenizer.json`, `config.json` in one folder."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        try:
            config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            # Waiting threads sleep: beside other work, spinning ones cost more than they win.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), sess_options=options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the runtime raises its own private types for a damaged file
            raise ModelUnavailable(f"模型文件夹 {folder} 无法加载（{error}）。请检查设置 model，或重新安装本项目。") from None
        self._tokenizer.enable_truncation(int(config["max_tokens"]))
        self._tokenizer.enable_padding(pad_id=self._tokenizer.token_to_id("<pad>"), pad_token="<pad>")  # noqa: S106 - a token of the vocabulary
        self._query_prefix = str(config["query_prefix"])
        self._passage_prefix = str(config["passage_prefix"])
        self.dimension = int(config["dimension"])
        self.identity = f"{config['name']}:{config['sha256'][:16]}"
        self._inputs = {node.name for node in self._session.get_inputs()}

    def embed_query(self, query: str) -> Vectors:
        """See `Embedder.embed_query`."""
        vector: Vectors = self._run([self._query_prefix + query])[0]
        return vector

    def embed_queries(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """See `Embedder.embed_queries`."""
        return self._embed([self._query_prefix + text for text in texts], on_progress)

    def embed_passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """See `Embedder.embed_passages`."""
        return self._embed([self._passage_prefix + text for text in texts], on_progress)

    def _embed(self, texts: Sequence[str], on_progress: Callable[[int], None] | None) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        # Texts of one length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            vectors[batch] = self._run([texts[i] for i in batch])
            if on_progress is not None:
                on_progress(start + len(batch))
        return vectors

    def _run(self, texts: list[str]) -> Vectors:
        encodings = self._tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        outputs = self._session.run(["embedding"], {name: feed[name] for name in self._inputs})
        return np.asarray(outputs[0], dtype=np.float32)


class SentenceTransformersEmbedder:
    """Any sentence-transformers model that is already on this machine; prefixes come from its own prompts."""

    def __init__(self, model: str) -> None:
        # Set before the import: the library reads it once, and a question must never wait for a hub.
        os.environ["HF_HUB_OFFLINE"] = "1"
        from sentence_transformers import SentenceTransformer

        try:
            self._model: SentenceTransformer = SentenceTransformer(model, device="cpu", local_files_only=True)
        except Exception as error:  # the library raises whatever its loaders raise
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise ModelUnavailable(
                f"设置 model={model} 的模型不在这台机器上（{reason}）。"
                f"请把模型文件夹下载到本机，再把 model 设为那个文件夹；或删去这项设置，使用随项目附带的模型。"
            ) from None
        self.dimension = int(self._model.get_embedding_dimension() or 0)
        self.identity = f"{model}:{_weights_hash(self._model)}"

    def embed_query(self, query: str) -> Vectors:
        """See `Embedder.embed_query`."""
        vector: Vectors = self.embed_queries([query])[0]
        return vector

    def embed_queries(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """See `Embedder.embed_queries`."""
        vectors = self._model.encode_query(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return self._done(vectors, on_progress)

    def embed_passages(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> Vectors:
        """See `Embedder.embed_passages`."""
        vectors = self._model.encode_document(list(texts), normalize_embeddings=True, show_progress_bar=False)
        return self._done(vectors, on_progress)

    @staticmethod
    def _done(vectors: Any, on_progress: Callable[[int], None] | None) -> Vectors:
        if on_progress is not None:
            on_progress(len(vectors))
        return np.asarray(vectors, dtype=np.float32)


def _weights_hash(model: SentenceTransformer) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.float().cpu().numpy().tobytes()[:4096])
    return digest.hexdigest()[:16]
