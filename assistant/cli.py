"""The command line: parse, call, print. No rule about answers lives here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from assistant.errors import AssistantError, InvalidQuestion
from assistant.prompts import SOURCE_TYPE_NAMES
from assistant.settings import APP, Settings, load_settings
from knowledge.errors import KnowledgeError

if TYPE_CHECKING:
    from assistant.answer import Answer, Citation
    from assistant.answering import Assistant

EXIT_OK, EXIT_BAD_INPUT = 0, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Our own errors become one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        plugin = _plugin(arguments[0]) if arguments else None
        if plugin is not None:
            return plugin(arguments[1:])
        options = _parser().parse_args(arguments)
        run: Callable[[argparse.Namespace, Settings], int] = options.run
        return run(options, load_settings())
    except (AssistantError, KnowledgeError) as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; Python would complain while closing stdout
        return EXIT_OK
    except KeyboardInterrupt:
        print("已停止。", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant", description="借呗额度助手：有出处的回答，不联网也能用。")
    parser.add_argument("--version", action="version", version=version(APP))
    commands = parser.add_subparsers(required=True, metavar="命令")

    ask = commands.add_parser("ask", help="回答一个问题，或一批问题")
    ask.add_argument("question", nargs="?", help="问题；写 - 从标准输入读")
    ask.add_argument("--json", action="store_true", help="输出完整的 Answer（JSON）")
    ask.add_argument(
        "--batch", metavar="FILE.jsonl", help="每行一个 {id, question, history}，每行输出一个 Answer；写 - 从标准输入读"
    )
    ask.set_defaults(run=_ask)

    serve = commands.add_parser("serve", help="启动聊天页面和 HTTP 接口")
    serve.add_argument("--host")
    serve.add_argument("--port", type=int)
    serve.set_defaults(run=_serve)

    index = commands.add_parser("index", help="建立或刷新索引")
    index.add_argument("--rebuild", action="store_true", help="全部重新计算")
    index.set_defaults(run=_index)

    doctor = commands.add_parser("doctor", help="检查设置、模型、知识库和索引")
    doctor.set_defaults(run=_doctor)

    for plugin in entry_points(group="assistant.commands"):
        commands.add_parser(plugin.name, help=f"见 assistant {plugin.name} --help", add_help=False)
    return parser


def _plugin(name: str) -> Callable[[Sequence[str]], int] | None:
    """A command another package brings along: the evaluation is one, and this layer must not import it."""
    found = entry_points(group="assistant.commands", name=name)
    for entry in found:
        command: Callable[[Sequence[str]], int] = entry.load()
        return command
    return None


def _ask(options: argparse.Namespace, settings: Settings) -> int:
    from assistant.assembly import build_assistant

    if options.batch:
        lines = _batch_lines(options.batch)
        return _ask_batch(build_assistant(settings, show_progress(), _warn), lines)
    question = sys.stdin.read() if options.question == "-" else options.question
    if not (question or "").strip():
        raise InvalidQuestion('请写下你想问的问题，例如：assistant ask "借呗额度为什么突然没有了"')
    answer = build_assistant(settings, show_progress(), _warn).ask(question)
    print(json.dumps(answer.to_dict(), ensure_ascii=False, indent=2) if options.json else render(answer))
    return EXIT_OK


def _ask_batch(bot: Assistant, lines: Sequence[str]) -> int:
    from tqdm import tqdm

    failed = 0
    for number, line in enumerate(tqdm(lines, desc="回答", unit="题", disable=not sys.stderr.isatty()), start=1):
        result: dict[str, Any] = {}
        try:
            case = json.loads(line)
            if not isinstance(case, dict):
                raise InvalidQuestion("应当是一个 JSON 对象。")
            result["id"] = case.get("id")
            result = bot.ask(case.get("question", ""), case.get("history")).to_dict() | result
        except (InvalidQuestion, ValueError, RecursionError) as error:
            failed += 1
            problem = str(error) if isinstance(error, InvalidQuestion) else "不是合格的 JSON。"
            result["error"] = f"第 {number} 行：{problem}"
        print(json.dumps(result, ensure_ascii=False))
    if failed:
        print(f"{len(lines)} 行里有 {failed} 行没有回答，原因在各行的 error 里。", file=sys.stderr)
    return EXIT_BAD_INPUT if failed else EXIT_OK


def _batch_lines(path: str) -> list[str]:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidQuestion(f"读不了 {path}（{error.strerror}）。") from None
    except UnicodeDecodeError:
        raise InvalidQuestion(f"{path} 不是 UTF-8 编码，请另存为 UTF-8。") from None
    return [line for line in text.split("\n") if line.strip()]


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    from assistant.web import serve

    serve(settings, options.host or settings.host, options.port or settings.port, show_progress(), _warn)
    return EXIT_OK


def _index(options: argparse.Namespace, settings: Settings) -> int:
    from knowledge.embedding import load_embedder
    from knowledge.indexing import build_index

    knowledge = settings.knowledge
    report = build_index(knowledge, load_embedder(knowledge.embedding), rebuild=options.rebuild, progress=show_progress())
    state = "已建好" if report.fresh else "没有变化"
    print(
        f"索引 {report.version} {state}：{report.documents} 篇文档，{report.passages} 段，"
        f"新算向量 {report.embedded} 条，沿用 {report.reused} 条，用时 {report.seconds:.1f} 秒。"
    )
    print(f"位置：{knowledge.index_dir}")
    for problem in report.problems:
        print(f"跳过：{problem}", file=sys.stderr)
    return EXIT_OK


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    from assistant.doctor import examine

    findings = examine(settings)
    for finding in findings:
        print(f"{'✓' if finding.ok else '✗'} {finding.name}：{finding.detail}")
        if finding.remedy:
            print(f"  → {finding.remedy}")
    return EXIT_OK if all(finding.ok for finding in findings) else 1


def render(answer: Answer) -> str:
    """An answer as a person reads it in a terminal: text, steps, suggestions, sources."""
    return "\n\n".join(_blocks(answer))


def _blocks(answer: Answer) -> Iterator[str]:
    yield answer.text
    if answer.refusal is not None and answer.refusal.suggestions:
        yield "\n".join(f"· {question}" for question in answer.refusal.suggestions)
    if answer.citations:
        yield "出处\n" + "\n".join(_source_line(citation) for citation in answer.citations)
    if answer.follow_ups:
        yield "还可以问\n" + "\n".join(f"· {question}" for question in answer.follow_ups)


def _source_line(citation: Citation) -> str:
    facts = [SOURCE_TYPE_NAMES[citation.source_type], citation.source, citation.publisher, citation.date]
    place = f"{citation.document_path} 第 {citation.start}–{citation.end} 字"
    where, about = " › ".join((citation.title, *citation.heading[-1:])), " · ".join(fact for fact in facts if fact)
    line = f"[{citation.marker}] {where}（{about}）\n    {place}"
    return line + (f"\n    注意：{citation.caution}" if citation.caution else "")


def show_progress(stream: IO[str] | None = None) -> Callable[[str, int, int], None]:
    """A progress bar on stderr that appears only when there is something to wait for."""
    from tqdm import tqdm

    bars: dict[str, tqdm[Any]] = {}

    def progress(stage: str, done: int, total: int) -> None:
        bar = bars.get(stage)
        if bar is None:
            bar = bars[stage] = tqdm(total=total, desc=stage, file=stream or sys.stderr, leave=True)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return progress


def _warn(message: str) -> None:
    print(message, file=sys.stderr)
