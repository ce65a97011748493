"""What the page shows, as HTML: pure functions from our values to text.

Everything a person, a document or an error wrote goes through `_text`; the tags below are the only
ones that reach the browser. Buttons carry `data-ask` (a question to put) or `data-passage` (a
passage to open); page.js acts on those and on nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from urllib.parse import urlsplit

from assistant.answer import Answer, Citation, Sentence
from assistant.prompts import EXAMPLE_QUESTIONS, OFFICIAL_WAY, SOURCE_TYPE_NAMES, WRITTEN_BY_MODEL
from knowledge.passages import Document

TITLE = "借呗额度助手"
_ABOUT_SOURCES = {
    "law": "全国人大、国务院等公布的条文",
    "regulator": "金融监管部门的规定和答复",
    "official": "支付宝、蚂蚁等机构自己的说法",
    "guidance": "本助手整理的办事步骤",
    "news": "媒体和公开网页的报道",
    "user_article": "未经核实，只供对照",
}
_STATUS = {"partial": "部分回答", "clarify": "想先确认一下", "refused": "没有可靠依据", "safety": "安全提醒"}
# Characters of the document shown on either side of a quote, before the nearest line end.
_AROUND = 240
_FRONT_MATTER = re.compile(r"\A---\n.*?^---[ \t]*\n", re.DOTALL | re.MULTILINE)
_LINE_MARK = re.compile(r"(?P<heading>#{1,6})[ \t]+|(?P<item>[-*+])[ \t]+")
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E"
    "%3Crect width='32' height='32' rx='9' fill='%230f5b54'/%3E"
    "%3Cpath d='M12 8H8v16h4M20 8h4v16h-4M16 11v10' fill='none' stroke='%23fff' stroke-width='2.6'/%3E%3C/svg%3E"
)


def head() -> str:
    """What goes into the page's head: our style sheet after Gradio's, and an icon, all from this machine."""
    style = (files("assistant") / "page.css").read_text(encoding="utf-8")
    return f'<meta name="color-scheme" content="light dark"><link rel="icon" href="{_ICON}"><style>{style}</style>'


def script() -> str:
    """The behaviour of the conversation in the browser."""
    return (files("assistant") / "page.js").read_text(encoding="utf-8")


def header() -> str:
    """Who speaks, and on what terms."""
    return (
        '<header class="masthead"><span class="mark" aria-hidden="true">'
        '<svg viewBox="0 0 32 32"><path d="M12 8H8v16h4M20 8h4v16h-4M16 11v10"/></svg></span>'
        f"<div><h1>{TITLE}</h1><p>回答都有出处；不联网也能用；不代表支付宝官方</p></div></header>"
    )


def reader() -> str:
    """The place where a cited passage is read; empty, it explains what the kinds of sources mean."""
    kinds = "".join(f"<li>{_badge(kind)}<span>{about}</span></li>" for kind, about in _ABOUT_SOURCES.items())
    return (
        '<aside class="reader" aria-label="出处原文">'
        '<div class="reader-bar"><h2>出处原文</h2>'
        '<button type="button" class="close" aria-label="关闭原文">×</button></div>'
        '<div class="reader-body" tabindex="-1"></div>'
        '<div class="reader-guide"><p>回答里的每个编号都能点开，看到它依据的那段原文。</p>'
        f"<p>出处分六类，一般越靠前越可靠：</p><ul>{kinds}</ul></div></aside>"
    )


def conversation(parts: Sequence[str]) -> str:
    """All turns in order, or the welcome while there are none."""
    return f'<div class="log" role="log" aria-live="polite" aria-label="对话">{"".join(parts) or welcome()}</div>'


def welcome() -> str:
    """The first screen: what to ask, and how to tell whether the answer holds."""
    return (
        '<section class="welcome"><h2><span>额度变少、没了，</span><span>或者打不开？</span></h2>'
        "<p>用自己的话问就好。点开回答里的编号，就能看到它依据的原文；没有依据的，会直接说不知道。</p>"
        f"{_questions('试着问', EXAMPLE_QUESTIONS)}</section>"
    )


def waiting(question: str, sentences: Sequence[Sentence] = ()) -> str:
    """A turn whose answer is still being written."""
    shown = _paragraphs(sentences, "") if sentences else '<p class="searching">正在知识库里找依据</p>'
    asked = _asked(question)
    return f'<section class="turn waiting" aria-busy="true">{asked}<div class="answer">{shown}</div></section>'


def notice(message: str) -> str:
    """What kept a question from being answered, said gently."""
    return f'<p class="notice" role="status">{_text(message)}</p>'


def turn(number: int, asked: str, answer: Answer, document: Callable[[str], Document | None]) -> str:
    """A question as it was typed with its whole answer; the passages it cites come along, hidden until opened."""
    prefix = f"turn-{number}-"
    passages = "".join(_passage(citation, document(citation.document), prefix) for citation in answer.citations)
    blocks = (
        _status(answer),
        _warning(answer),
        _paragraphs(_after_warning(answer), prefix),
        _paragraph("refusal", answer.refusal.message) if answer.refusal else "",
        _steps(answer.next_steps, prefix),
        _hand_off(answer),
        _paragraph("mode", WRITTEN_BY_MODEL) if answer.mode == "model" else "",
        _sources(answer.citations, prefix),
    )
    suggestions = answer.refusal.suggestions if answer.refusal else answer.follow_ups
    title = "选一种情况" if answer.status == "clarify" else "还可以问"
    return (
        f'<section class="turn">{_asked(asked)}<div class="answer {answer.status}">{"".join(blocks)}</div>'
        f"{_questions(title, suggestions)}{passages}</section>"
    )


def excerpt(text: str, start: int, end: int) -> str:
    """The document around `text[start:end]`, that span marked, its metadata left out."""
    low, high = _window(text, start, end)
    shown = "".join(line for span in _visible(text, low, high, start, end) for line in _lines(text, *span, start, end))
    return _cut(text, 0, low) + shown + _cut(text, high, len(text))


def _text(text: str) -> str:
    """Text that can only be text; an unpaired surrogate would break the response on its way out."""
    return escape(text.encode("utf-8", "replace").decode())


def _paragraph(name: str, text: str) -> str:
    return f'<p class="{name}">{_text(text)}</p>'


def _asked(question: str) -> str:
    return f'<h2 class="asked"><span class="unseen">你问：</span>{_text(question)}</h2>'


def _status(answer: Answer) -> str:
    label = _STATUS.get(answer.status, "")
    if answer.refusal is not None and answer.refusal.reason == "out_of_scope":
        label = "不在回答范围内"
    return f'<p class="status {answer.status}">{label}</p>' if label else ""


def _warning(answer: Answer) -> str:
    return _paragraph("warning", answer.safety.message) if answer.safety else ""


def _after_warning(answer: Answer) -> list[Sentence]:
    """The sentences without the warning, which is among them for those who read the text alone."""
    return [sentence for sentence in answer.sentences if answer.safety is None or sentence.text != answer.safety.message]


def _hand_off(answer: Answer) -> str:
    """The way to a person, unless the answer has named it, or a warning has named a better one."""
    if answer.hand_off is None or answer.safety is not None or OFFICIAL_WAY in answer.text:
        return ""
    return _paragraph("hand-off", f"这件事适合由人工处理。{OFFICIAL_WAY}")


def _paragraphs(sentences: Iterable[Sentence], prefix: str) -> str:
    """A paragraph for each run of sentences that rest on the same passages."""
    runs = groupby(sentences, key=lambda sentence: sentence.markers)
    return "".join(f"<p>{''.join(_marked(sentence, prefix) for sentence in run)}</p>" for _, run in runs)


def _marked(sentence: Sentence, prefix: str) -> str:
    """A sentence whose markers never begin a line of their own: they keep hold of its last character."""
    markers = "".join(_marker(marker, prefix) for marker in sentence.markers)
    return f'{_text(sentence.text[:-1])}<span class="tail">{_text(sentence.text[-1:])}{markers}</span>'


def _marker(marker: int, prefix: str) -> str:
    opens = f'data-passage="{prefix}source-{marker}" aria-label="看出处 {marker} 的原文"'
    return f'<button type="button" class="marker" {opens}>[{marker}]</button>'


def _steps(steps: Sequence[Sentence], prefix: str) -> str:
    items = "".join(f"<li>{_marked(step, prefix)}</li>" for step in steps)
    return f'<div class="steps"><h3>可以这样做</h3><ul>{items}</ul></div>' if items else ""


def _questions(title: str, questions: Sequence[str]) -> str:
    texts = [_text(question) for question in questions]
    chips = "".join(f'<li><button type="button" data-ask="{text}">{text}</button></li>' for text in texts)
    return f'<nav class="questions" aria-label="{title}"><h3>{title}</h3><ul>{chips}</ul></nav>' if chips else ""


def _sources(citations: Sequence[Citation], prefix: str) -> str:
    rows = "".join(
        f'<li><button type="button" class="source" data-passage="{prefix}source-{citation.marker}">'
        f'<span class="number">[{citation.marker}]</span><span class="name">{_text(_name(citation))}</span>'
        f'<span class="facts">{_badge(citation.source_type)}{_text(_facts(citation))}</span>'
        f"{_caution(citation, 'span')}</button></li>"
        for citation in citations
    )
    return f'<div class="sources"><h3>出处</h3><ol>{rows}</ol></div>' if rows else ""


def _passage(citation: Citation, document: Document | None, prefix: str) -> str:
    original = f"<p><mark>{_text(citation.quote)}</mark></p>"
    if document is not None:
        original = excerpt(document.text, citation.start, citation.end)
    place = f"知识库 {_text(citation.document_path)} 第 {citation.start}–{citation.end} 字"
    facts = (("来源", citation.source), ("发布", citation.publisher), ("日期", citation.date or "日期不明"))
    rows = "".join(f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>" for name, value in facts if value)
    return (
        f'<article class="passage" id="{prefix}source-{citation.marker}" hidden>'
        f'<p class="kind"><span class="number">[{citation.marker}]</span>{_badge(citation.source_type)}</p>'
        f"<h3>{_text(_name(citation))}</h3><dl>{rows}</dl>{_caution(citation, 'p')}"
        f'<div class="original">{original}</div>'
        f'<p class="place">{place}{_link(citation.url)}</p></article>'
    )


def _name(citation: Citation) -> str:
    return " › ".join(dict.fromkeys((citation.title, *citation.heading)))


def _facts(citation: Citation) -> str:
    return " · ".join(fact for fact in (citation.publisher, citation.date or "日期不明") if fact)


def _badge(kind: str) -> str:
    name = SOURCE_TYPE_NAMES.get(kind, "其他")
    return f'<span class="badge {kind if kind in SOURCE_TYPE_NAMES else "other"}">{name}</span>'


def _caution(citation: Citation, tag: str) -> str:
    return f'<{tag} class="caution">注意：{_text(citation.caution)}</{tag}>' if citation.caution else ""


def _link(url: str | None) -> str:
    """The way to the source on the web: http only, and never without saying which site it leads to."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return (
        f' · <a href="{_text(url or "")}" target="_blank" rel="noopener noreferrer">'
        f"来源网页（{_text(parts.hostname)}，需联网）</a>"
    )


def _window(text: str, start: int, end: int) -> tuple[int, int]:
    """The quote with about `_AROUND` characters on either side, out to whole lines where these are near."""
    low, high = max(0, start - _AROUND), min(len(text), end + _AROUND)
    line_start = text.rfind("\n", max(0, low - _AROUND), low) + 1
    line_end = text.find("\n", high, high + _AROUND)
    return (line_start or low), (high if line_end < 0 else line_end)


def _visible(text: str, low: int, high: int, start: int, end: int) -> Iterator[tuple[int, int]]:
    """`low` to `high` without front matter and comments; what is quoted is always shown."""
    for hidden_start, hidden_end in _metadata(text, high):
        if hidden_end <= low or (hidden_start < end and start < hidden_end):
            continue
        if hidden_start > low:
            yield low, hidden_start
        low = min(hidden_end, high)
    if low < high:
        yield low, high


def _metadata(text: str, until: int) -> Iterator[tuple[int, int]]:
    position = 0
    front_matter = _FRONT_MATTER.match(text)
    if front_matter is not None:
        yield front_matter.span()
        position = front_matter.end()
    while 0 <= (opened := text.find("<!--", position)) < until:
        closed = text.find("-->", opened)
        if closed < 0:
            return
        position = closed + len("-->")
        yield opened, position


def _cut(text: str, low: int, high: int) -> str:
    """A sign that the document goes on, where it does."""
    has_more = any(text[left:right].strip() for left, right in _visible(text, low, high, high, high))
    return '<p class="cut">……</p>' if has_more else ""


def _lines(text: str, low: int, high: int, start: int, end: int) -> Iterator[str]:
    """Each line of a span as a heading, a list item or a paragraph."""
    position = low
    for line in text[low:high].splitlines(keepends=True):
        line_start, position = position, position + len(line)
        if not line.strip():
            continue
        mark = _LINE_MARK.match(text, line_start, position)
        content = _highlighted(text, mark.end() if mark else line_start, position, start, end)
        if mark is None:
            yield f"<p>{content}</p>"
        else:
            yield f"<h4>{content}</h4>" if mark["heading"] else f'<p class="item">{content}</p>'


def _highlighted(text: str, low: int, high: int, start: int, end: int) -> str:
    marked_start, marked_end = min(max(low, start), high), max(min(high, end), low)
    if marked_start >= marked_end:
        return _text(text[low:high].rstrip())
    inside = text[marked_start:marked_end].rstrip("\n")
    return f"{_text(text[low:marked_start])}<mark>{_text(inside)}</mark>{_text(text[marked_end:high].rstrip())}"
