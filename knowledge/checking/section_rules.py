"""What one section has to keep to, rule by rule. See `knowledge/WRITING.md` for the reasons.

Every rule takes a View and yields (offset in the body, message); the name a finding carries is the
function's name. Rules of writing bind our own Markdown only; rules of safety bind every document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from knowledge.checking.figures import Figure, figures, law_name
from knowledge.checking.findings import Finding
from knowledge.checking.ledger import Fact, figures_of, vouches, vouching
from knowledge.passages import Document, Section

MIN_CHARS, MAX_CHARS = 60, 250
MAX_ASKS = 5
# Lines that were verified against public sources; any other number in a text is a risk to its reader.
KNOWN_PHONES = frozenset({"95188", "12378", "12363", "96110", "110", "4008108866"})

_PROMISE = re.compile(
    r"(?:一定|肯定|必定|必然|绝对|百分之?百|100%)(?:能|会|可以|恢复|通过|提|下款|批)|保证(?!金|人|书|贷款)|包(?:过|下款|通过|提额|恢复)"
    r"|秒(?:批|过|下款|到)|稳(?:过|下)|必(?:过|下(?!载)|提)|(?:很快|马上|立刻)(?:就会|就能|会)恢复|无条件(?:恢复|提额)|承诺(?:恢复|提额|通过|下款)"
)
_DENIED = re.compile(r"[不没无未别非谁勿]|凡是|声称|自称|所谓|骗|网传|号称|任何")
_QUOTED = re.compile(r"[“‘「『][^”’」』]*[”’」』]")
_HEDGE = re.compile(
    r"可能|也许|未必|不一定|不见得|一般|通常|多半|往往|常见|大多|大致|据(?:说|知|报道|[^。]{0,12}[说称])|公开|网页|网上|网传|文章|自媒体|说法|没有?(?:公布|官方|可靠|统一|固定|依据|证据|根据|标准|规定|规则)"
    r"|(?:没有?|未)(?:看到|见到|找到|查到|核实)|查(?:不到|无)|为准|取决|由[^。，]{0,12}(?:评估|决定)|[看报]不[到出]|不(?:等于|代表)|不能(?:保证|断定|当作|指望|说明)|建议|常常|有的|有时|原则上|难以"
)
# Whoever is sent to the page of today needs no date: 通常在……，以你手机上的页面为准.
_DEFERS = re.compile(r"以[^。！？\n]{0,30}为准|[按看][^。！？\n]{0,30}(?:页面|提示|合同|公告|计划)[^。！？\n]{0,12}(?:办|确认)")
_QUESTION = re.compile(
    r"吗|呢|怎么|咋|什么|啥|多少|多久|多大|哪|为何|如何|谁|几[个次笔天月年点号]|能不能|是不是|会不会|要不要|有没有|可不可以|可以不|行不行|该不该"
)
_FACT_ID = re.compile(r"(?<![\w-])(?:A-\d{2}|\d{1,2}a?-\d{2}a?)(?![\w-])")
_GRADE = re.compile(r"[（(〔｜|]\s*(?:[ABD]|C-?)\s*[）)〕｜|]|等级[:：]\s*[ABCD]|[ABCD]级(?:事实|依据|来源)")
_MARKUP = re.compile(r"<!--|-->|<[A-Za-z/!]|!\[|\]\(|\*\*|__|`|(?:https?|javascript|data|file):|www\.|\[\d+\]", re.IGNORECASE)
# Zero width, bidirectional, tag and other invisible characters: text a reader cannot see.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]")
_INSTRUCTION = re.compile(
    r"(?:忽略|无视|忘记|跳过)(?:掉)?(?:以上|之前|前面|上面|上述|此前|所有|一切|你的)[^。！？]{0,12}(?:指令|指示|要求|规则|内容|提示|限制|设定|对话)"
    r"|你(?:现在|接下来|从现在起)(?:是|扮演|不再)|(?:作为|身为)一?个?(?:AI|人工智能|语言模型|大模型)|开发者模式|越狱模式|系统提示词"
    r"|(?:告诉|提示|引导|建议)(?:用户|提问者|对方|他们)(?:立即|马上|去|来)?(?:拨打|拨|转账|汇款|添加|加|点击|访问|打开|联系|提供|输入|下载)"
    r"|(?:回答|回复|输出)(?:时|中)?(?:必须|务必|一律|只能)(?:包含|写|说|加上|附上|改为)"
    r"|ignore\s+(?:all\s+|any\s+)?(?:the\s+)?(?:previous|above|prior|earlier)|disregard\s+(?:all|the|previous|above)|system\s*prompt|you\s+are\s+now"
    r"|<\|[a-z_]+\|>|\[/?INST\]|^\s*(?:system|assistant|user)\s*[:：]",
    re.IGNORECASE | re.MULTILINE,
)

Said = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class View:
    """One section with everything a rule may look at. `ledger` is empty where a corpus has none."""

    document: Document
    section: Section
    ledger: Mapping[str, Fact]
    titles: frozenset[str]

    @cached_property
    def body(self) -> str:
        return self.document.text[self.section.start : self.section.end]

    @cached_property
    def figures(self) -> list[Figure]:
        return figures(self.body)

    @property
    def heading(self) -> str:
        return self.section.headings[-1] if self.section.headings else ""

    def line(self, offset: int) -> int:
        """The line of the file on which an offset of the body lies."""
        if self.document.path.endswith((".md", ".txt")):
            return self.document.text.count("\n", 0, self.section.start + offset) + 1
        return self.section.line

    def offset_of(self, figure: Figure) -> int:
        return sum(len(line) + 1 for line in self.body.split("\n")[: figure.line])


def unknown_fact(view: View) -> Said:
    for id_ in view.section.facts:
        if id_ not in view.ledger:
            yield 0, f"事实编号 {id_} 不在台账里。"
    for id_ in view.section.corrects:
        if id_ not in view.ledger:
            yield 0, f"corrects 里的 {id_} 不在台账里。"


def no_facts(view: View) -> Said:
    if not view.section.facts:
        yield 0, "没有写 facts：这一节的说法来自哪些事实？"
    if not view.section.sources:
        yield 0, "没有写 sources；只有经验和推断时写 own-guidance。"


def unvouched_figure(view: View) -> Said:
    known = figures_of(view.section.facts, view.ledger) | _registered(view.section)
    for figure in view.figures:
        if _is_language(figure) or vouches(figure, known):
            continue
        if figure.kind == "law" and figure.normal.strip("《》") in view.titles:
            continue
        others = vouching(figure, view.ledger.values())
        hint = f"台账里 {'、'.join(others[:4])} 有，是不是漏写了编号？" if others else "台账里没有，请核对或删去。"
        yield view.offset_of(figure), f"“{figure.words}”不在这一节的事实里；{hint}"


def promise(view: View) -> Said:
    quoted = [match.span() for match in _QUOTED.finditer(view.body)]
    for match in _PROMISE.finditer(view.body):
        clause = re.split(r"[。！？；\n]", view.body[: match.start()])[-1]
        if not any(start < match.start() < end for start, end in quoted) and not _DENIED.search(clause):
            yield match.start(), f"“{match[0]}”像是承诺，请改成“可能”“由系统评估”这样的话。"


def certain_without_ground(view: View) -> Said:
    grades = [view.ledger[id_].grade for id_ in view.section.facts if id_ in view.ledger]
    if grades and set(grades) == {"D"} and not _HEDGE.search(view.body):
        yield 0, "依据全是未核实的推断（D），正文却说得很确定；请写“可能”“一般”“以页面为准”。"


def undated(view: View) -> Said:
    dated = [id_ for id_ in view.section.facts if id_ in view.ledger and view.ledger[id_].dated]
    if not dated:
        return
    if not (_DEFERS.search(view.body) or any(figure.kind == "date" and figure.normal[0] != "-" for figure in view.figures)):
        yield 0, f"事实 {'、'.join(dated)} 会随时间变化，正文里要写出日期，或写明“以页面为准”。"
    if view.section.review_by is None:
        yield 0, f"事实 {'、'.join(dated)} 会随时间变化，要写 review_by。"


def length(view: View) -> Said:
    size = len(re.sub(r"\s", "", view.body))
    if size > MAX_CHARS:
        yield 0, f"正文 {size} 字，超过 {MAX_CHARS} 字，请拆成两节。"
    if size < MIN_CHARS:
        yield 0, f"正文 {size} 字，不到 {MIN_CHARS} 字，请补上理由或做法。"


def asks(view: View) -> Said:
    if not view.section.asks:
        yield 0, "没有写 asks：用户还会怎么问？"
    if len(view.section.asks) > MAX_ASKS:
        yield 0, f"asks 有 {len(view.section.asks)} 个，最多 {MAX_ASKS} 个。"


def question_mark(view: View) -> Said:
    if not view.heading:
        yield 0, "没有标题。"
    elif _QUESTION.search(view.heading) and not view.heading.endswith(("？", "?")):
        yield 0, f"标题“{view.heading}”是问句，请以问号结尾。"


def grade_or_id(view: View) -> Said:
    for pattern in (_FACT_ID, _GRADE):
        for match in pattern.finditer(view.body):
            yield match.start(), f"正文里出现了事实编号或等级“{match[0]}”。"


def markup(view: View) -> Said:
    for match in _MARKUP.finditer(view.body):
        yield match.start(), f"正文里有标记、链接或图片“{match[0]}”，请写成普通文字。"


def hidden_text(view: View) -> Said:
    for text in (view.body, view.heading, *view.section.asks):
        if match := _INVISIBLE.search(text):
            yield 0, f"有看不见的字符 U+{ord(match[0]):04X}，请删去。"


def instruction(view: View) -> Said:
    for text in (view.body, view.heading, *view.section.asks):
        if match := _INSTRUCTION.search(text):
            yield 0, f"“{match[0]}”像是写给模型的指令，知识库里只写给人看的话。"


def unknown_phone(view: View) -> Said:
    for figure in view.figures:
        if figure.kind == "phone" and figure.normal not in KNOWN_PHONES:
            yield view.offset_of(figure), f"电话 {figure.words} 没有核实过，不能写进正文。"


Rule = Callable[[View], Said]
SAFETY: tuple[Rule, ...] = (hidden_text, instruction)
CONTENT: tuple[Rule, ...] = (promise, unknown_phone)
GROUNDING: tuple[Rule, ...] = (unknown_fact, no_facts, unvouched_figure, certain_without_ground, undated)
WRITING: tuple[Rule, ...] = (length, asks, question_mark, grade_or_id, markup)


def check_section(view: View) -> Iterator[Finding]:
    """Every finding of one section, by the rules its document is bound to."""
    for rule in _rules(view):
        for offset, message in rule(view):
            yield Finding(view.document.path, view.line(offset), rule.__name__.replace("_", "-"), message)


def _rules(view: View) -> tuple[Rule, ...]:
    if view.document.source_type == "user_article":
        return SAFETY  # quoted as it stands, with its caution
    if not view.document.path.endswith(".md"):
        return SAFETY + CONTENT
    return SAFETY + CONTENT + WRITING + (GROUNDING if view.ledger else ())


def _registered(section: Section) -> frozenset[str]:
    """What the registered sources themselves vouch for: their titles and dates."""
    titles = {f"《{law_name(source.title)}》" for source in section.sources}
    return frozenset(titles | {source.date for source in section.sources if source.date})


def _is_language(figure: Figure) -> bool:
    """一次, 两笔, 变0 are words rather than figures; 一万元 and 两倍 are figures."""
    return figure.normal == "0" or (figure.spelled and re.fullmatch(r"[12](?!元|%|倍)\D*", figure.normal) is not None)
