"""What is configured, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from assistant.chat_model import NoReply, OpenAIChatModel, Usage
from assistant.errors import AssistantError
from assistant.prompts import TEST_CONNECTION
from assistant.settings import Settings, settings_file
from knowledge.documents import load_corpus
from knowledge.embedding import load_embedder
from knowledge.errors import IndexDamaged, KnowledgeError
from knowledge.index import current_version, read_manifest, version_folder, version_of

_PACKAGES = ("torch", "sentence-transformers", "langchain", "langchain-openai", "chromadb", "gradio", "onnxruntime")
_CHAT_SECONDS = 15
_INSTALL = "make install（没有 make 时：pip install -c constraints.txt -e .）"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` is a command where something is wrong."""

    name: str
    ok: bool
    detail: str
    remedy: str | None = None


def examine(settings: Settings) -> list[Finding]:
    """Every check, none of them changing anything; only a chat model that is set up is connected to."""
    checks: list[Callable[[Settings], Finding]] = [_python, _packages, _settings, _model, _corpus, _index, _chat]
    return [_guarded(check, settings) for check in checks]


def _guarded(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except (AssistantError, KnowledgeError, OSError) as error:
        return Finding(
            {"_model": "模型", "_corpus": "知识库", "_index": "索引", "_chat": "对话模型"}.get(check.__name__, "检查"),
            False,
            str(error),
        )


def _python(settings: Settings) -> Finding:
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", ok, platform.python_version(), None if ok else "请用 Python 3.11 到 3.13 新建虚拟环境。")


def _packages(settings: Settings) -> Finding:
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("软件包", False, f"缺少 {'、'.join(missing)}", _INSTALL)
    return Finding("软件包", True, "，".join(found))


def _settings(settings: Settings) -> Finding:
    path = settings_file()
    variables = sorted(key for key in os.environ if key.startswith("JIEBEI_"))
    origin = f"文件 {path}" if path.is_file() else "默认值"
    return Finding("设置", True, origin + (f"，环境变量 {'、'.join(variables)}" if variables else ""))


def _model(settings: Settings) -> Finding:
    embedder = load_embedder(settings.knowledge.embedding)
    return Finding("模型", True, f"{embedder.identity}，{embedder.dimension} 维")


def _corpus(settings: Settings) -> Finding:
    corpus = load_corpus(settings.knowledge.corpus)
    detail = f"{len(corpus.documents)} 篇文档，位于 {'、'.join(map(str, settings.knowledge.corpus))}"
    if corpus.problems:
        return Finding(
            "知识库",
            False,
            f"{detail}；{len(corpus.problems)} 篇读不了：{corpus.problems[0]}",
            "按提示改好文件，再运行 assistant index",
        )
    return Finding("知识库", bool(corpus.documents), detail)


def _index(settings: Settings) -> Finding:
    knowledge = settings.knowledge
    serving = current_version(knowledge.index_dir)
    if serving is None:
        return Finding("索引", False, f"{knowledge.index_dir} 里还没有", "assistant index")
    try:
        manifest = read_manifest(version_folder(knowledge.index_dir, serving))
    except IndexDamaged as problem:
        return Finding("索引", False, str(problem), "assistant index --rebuild")
    if serving != version_of(knowledge, load_embedder(knowledge.embedding).identity):
        return Finding("索引", False, f"{serving} 与现在的知识库或模型不一致", "assistant index")
    return Finding("索引", True, f"{serving}，{manifest['passages']} 段，位于 {knowledge.index_dir}")


def _chat(settings: Settings) -> Finding:
    chat = settings.chat
    if chat is None:
        return Finding("对话模型", True, "没有设置，回答由知识库原句组成")
    host = urlsplit(chat.base_url).hostname
    detail = f"{chat.model}，{host}，密钥{'已设置' if chat.api_key else '没有设置'}"
    started = time.monotonic()
    try:
        pieces = OpenAIChatModel(chat).stream([("human", TEST_CONNECTION)], Usage(), until=started + _CHAT_SECONDS)
        "".join(pieces)
    except NoReply as problem:
        return Finding("对话模型", False, f"{detail}；{problem.reason}", "检查 chat_base_url、chat_model、chat_api_key 和网络")
    return Finding("对话模型", True, f"{detail}；{time.monotonic() - started:.1f} 秒答完一句")
