"""`SOURCES.md`: every registered source and the sections that rest on it, written by the check."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from knowledge.checking.findings import Finding
from knowledge.passages import Document, Source

SOURCES_PAGE = "SOURCES.md"
_TYPES = {
    "law": "法律法规", "regulator": "监管文件与公告", "official": "机构官方表态或页面",
    "news": "媒体与公开网页", "guidance": "本项目整理", "user_article": "网络文章",
}  # fmt: skip
_INTRODUCTION = """# 来源清单

由 `assistant check --sources` 生成，请不要手改。来源登记在 `sources.yaml`；每个来源下面是以它为依据的章节（文档#章节）。
"""


def render_sources(documents: Iterable[Document], sources: Mapping[str, Source]) -> str:
    """The whole page; the same corpus always gives the same text."""
    resting: dict[str, list[str]] = defaultdict(list)
    for document in documents:
        for section in document.sections:
            for source in section.sources:
                place = f"{document.id}#{section.id}" + (f"（{source.article}）" if source.article else "")
                resting[source.id].append(place)
    parts = [_INTRODUCTION]
    for type_, label in _TYPES.items():
        chosen = [source for source in sources.values() if source.type == type_]
        if chosen:
            parts.append(f"\n## {label}\n")
        parts.extend(_entry(source, resting.get(source.id, [])) for source in chosen)
    return "".join(parts)


def check_sources_page(folder: Path, documents: Iterable[Document], sources: Mapping[str, Source]) -> list[Finding]:
    """A finding where the page does not say what the corpus says now."""
    try:
        written = (folder / SOURCES_PAGE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        written = ""
    if written == render_sources(documents, sources):
        return []
    return [Finding(SOURCES_PAGE, 1, "sources-page", "与知识库不一致，请运行 assistant check --sources。")]


def _entry(source: Source, places: list[str]) -> str:
    about = " · ".join(part for part in (source.publisher, source.date, source.url) if part)
    used = "、".join(sorted(set(places))) or "暂无"
    return f"\n### {source.title}\n\n`{source.id}` · {about}\n\n{len(set(places))} 节：{used}\n"
