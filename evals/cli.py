"""`assistant eval`: parse, run, print. Exit code 0, 1 where the gate is shut, 2 for what cannot be run at all."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import platformdirs

from assistant.errors import AssistantError
from assistant.settings import APP, load_settings
from evals import gate, report
from evals.cases import FAMILIES, PARTS, Case, CaseError, load_cases
from evals.runner import Exam, result_file, run, run_systems, sample, score_export
from evals.scoring import Score
from evals.summary import OURS, Summary, summarise
from evals.workbench import Workbench, code_hash, open_workbench
from knowledge.errors import KnowledgeError

CASES_FOLDER = Path(__file__).parent / "cases"
EXIT_OK, EXIT_WORSE, EXIT_UNUSABLE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one evaluation command."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments and arguments[0] in _COMMANDS else "run"
    parser, command = _COMMANDS[name]
    options = parser().parse_args(arguments if name == "run" else arguments[1:])
    try:
        return command(options)
    except (CaseError, AssistantError, KnowledgeError) as error:
        print(error, file=sys.stderr)
        return EXIT_UNUSABLE
    except KeyboardInterrupt:
        print("已停止；加 --resume 可以接着跑。", file=sys.stderr)
        return 130


def _run_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="assistant eval", description="评测。另有 assistant eval bench、real、masking、fit、calibrate、judge，各带 --help。"
    )
    parser.add_argument("--suite", choices=["all", *FAMILIES, "rgb"], default="all", help="只跑一类题，或 RGB 四项")
    parser.add_argument("--part", choices=[*PARTS, "both"], default="both", help="开发部分、测试部分或两者")
    parser.add_argument("--limit", type=_positive, metavar="N", help="最多跑几道，按类别均匀取")
    parser.add_argument("--report", type=Path, metavar="DIR", help="把 HTML、JSON 和逐题结果写到这个文件夹")
    parser.add_argument("--gate", action="store_true", help="与基线比较，变差时退出码为 1")
    parser.add_argument("--update-baseline", action="store_true", help="把这次结果存成基线")
    parser.add_argument(
        "--compare", action=argparse.BooleanOptionalAction, default=None, help="带上各个基线系统（跑全部时默认带）"
    )
    parser.add_argument("--embedding", action="append", default=[], metavar="DIR", help="加入比较的 sentence-transformers 模型")
    parser.add_argument("--resume", action="store_true", help="接着上次没跑完的继续")
    parser.add_argument("--answers", type=Path, metavar="FILE.jsonl", help="给别的机器人导出的回答打分")
    parser.add_argument("--cases", type=Path, default=CASES_FOLDER, metavar="DIR", help="题目文件夹")
    parser.add_argument("--baseline", type=Path, default=gate.GATE_FILE, metavar="FILE", help="基线文件")
    return parser


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    whole = options.suite == "all" and options.part == "both" and options.limit is None
    if options.update_baseline and not whole:
        raise CaseError(["--update-baseline 要跑全部题目，请去掉 --suite、--part、--limit。"])
    with closing(open_workbench(load_settings())) as bench:
        return _run_on(bench, options, whole=whole, started=started)


def _run_on(bench: Workbench, options: argparse.Namespace, *, whole: bool, started: float) -> int:
    cases = load_cases(options.cases, bench.index.documents)
    exam = Exam.of(_chosen(cases, options), bench.index.passages)
    if not exam.cases:
        raise CaseError(["没有符合条件的题目。"])
    if options.answers is not None:
        return _score_answers(options, exam, bench)

    baseline = gate.load_baseline(options.baseline) if options.gate or options.baseline.is_file() else None
    folder = options.report or platformdirs.user_cache_path(APP) / "eval"
    scores, composed = [], []
    if options.suite != "rgb":
        scores = _answers(exam, bench, folder / "results.jsonl", options)
        if bench.settings.chat is not None:
            composed = _answers(exam, bench.without_chat(), folder / "results-composed.jsonl", options)
    compare = options.compare if options.compare is not None else whole and not options.gate
    systems = _systems(exam, bench, scores, options) if scores and (compare or options.embedding) else None
    rgb = _rgb(exam, bench) if compare or options.suite == "rgb" else None
    summary = summarise(scores, _what_ran(bench, scores, time.monotonic() - started), systems, rgb, composed)

    verdict = gate.judge(scores, baseline, {case.id for case in cases}) if scores and baseline is not None else None
    if options.update_baseline:
        taken = _what_ran(bench, scores) | {"日期": date.today().isoformat()}
        gate.save_baseline(options.baseline, scores, taken, gate.Tolerance() if baseline is None else baseline.tolerance)
    _write(options.report, summary, verdict)
    return _print(options, summary, verdict)


def _answers(exam: Exam, bench: Workbench, path: Path, options: argparse.Namespace) -> list[Score]:
    return run(exam, bench, results=result_file(path, bench, resume=options.resume))


def _chosen(cases: Sequence[Case], options: argparse.Namespace) -> tuple[Case, ...]:
    family = None if options.suite in ("all", "rgb") else options.suite
    part = None if options.part == "both" else options.part
    kept = [case for case in cases if family in (None, case.family) and part in (None, case.part)]
    return sample(kept, options.limit)


def _systems(exam: Exam, bench: Workbench, scores: Sequence[Score], options: argparse.Namespace) -> dict[str, Any]:
    from evals.systems import baselines, from_retriever, with_embedding

    systems = [*baselines(bench), *(system for model in options.embedding for system in with_embedding(bench, model))]
    standalone = {score.case.id: score.outcome.standalone for score in scores if score.outcome.standalone}
    return run_systems(exam, [from_retriever(OURS, bench.retriever), *systems], standalone)


def _rgb(exam: Exam, bench: Workbench) -> Any:
    from evals.rgb import run_rgb

    return run_rgb(exam, bench)


def _what_ran(bench: Workbench, scores: Sequence[Score], seconds: float | None = None) -> dict[str, Any]:
    errors = sum(score.outcome.error is not None for score in scores)
    said = {
        "索引": bench.index.version, "代码": code_hash(bench.settings), "模型": bench.embedder.identity,
        "文档": len(bench.index.documents), "段落": len(bench.index.passages), "题数": len(scores), "出错": errors,
    }  # fmt: skip
    if bench.settings.chat is not None:
        said["对话模型"] = bench.settings.chat.model
    return said if seconds is None else {**said, "用时（秒）": round(seconds)}


def _write(folder: Path | None, summary: Summary, verdict: gate.Verdict | None) -> None:
    if folder is None:
        return
    from evals.page import write_page

    folder.mkdir(parents=True, exist_ok=True)
    write_page(folder / "report.html", summary, verdict)
    report.write_json(folder / "report.json", summary, verdict)


def _print(options: argparse.Namespace, summary: Summary, verdict: gate.Verdict | None) -> int:
    if options.gate and verdict is not None:
        print(report.what_ran(summary))
        worse = [score for score in summary.scores if score.case.id in verdict.worse]
        print("\n".join(report.failure(score) for score in worse))
        print(gate.render(verdict))
        return EXIT_OK if verdict.is_open else EXIT_WORSE
    print(report.render(summary, verdict))
    if options.report is not None:
        print(f"\n报告：{options.report / 'report.html'}")
    if options.update_baseline:
        print(f"\n基线已更新：{options.baseline}")
    return EXIT_OK


def _score_answers(options: argparse.Namespace, exam: Exam, bench: Workbench) -> int:
    scores, left_out = score_export(exam, _read_lines(options.answers), bench)
    summary = summarise(scores, {"导出": options.answers.name, "题数": len(scores), "没有回答": len(left_out)})
    _write(options.report, summary, None)
    print(report.render(summary))
    return EXIT_OK


def _read_lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except OSError as error:
        raise CaseError([f"读不了 {path}（{error.strerror}）。"]) from None
    except UnicodeDecodeError:
        raise CaseError([f"{path} 不是 UTF-8 编码，请另存为 UTF-8。"]) from None
    found, problems = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                value = json.loads(line)
                found.append({"id": value["id"], **value})
            except (ValueError, KeyError, TypeError):
                problems.append(f"{path.name} 第 {number} 行：应当是带 id 的 JSON 对象。")
    if problems:
        raise CaseError(problems)
    return found


def _bench_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant eval bench", description="检索和向量计算的耗时。")
    parser.add_argument("--scale", type=_positive, metavar="N", help="用造出来的段落量到 N 段，画规模曲线")
    parser.add_argument("--refresh", action="store_true", help="改一篇文档，量刷新索引要多久")
    parser.add_argument("--report", type=Path, metavar="DIR", help="把规模曲线写成 scaling.html")
    return parser


def _bench(options: argparse.Namespace) -> int:
    with closing(open_workbench(load_settings())) as workbench:
        return _bench_on(workbench, options)


def _bench_on(workbench: Workbench, options: argparse.Namespace) -> int:
    from evals.bench import bench, peak_memory, refresh, render, scale

    if options.refresh:
        done = refresh(workbench)
        print(f"改一篇文档后刷新：{done.seconds:.1f} 秒，新算向量 {done.embedded} 条，沿用 {done.reused} 条。")
        return EXIT_OK
    if options.scale is None:
        print(render(bench(workbench)))
        return EXIT_OK
    points = []
    for size, p50, p95 in scale(workbench, options.scale):
        points.append((size, p50, p95))
        print(f"{size:>9,} 段  p50 {p50:.2f} 毫秒  p95 {p95:.2f} 毫秒", flush=True)
    print(f"内存最多用到 {peak_memory():.0f} MB（连同建索引）")
    if options.report is not None:
        from evals.page import write_plot
        from evals.plots import scaling_plot

        options.report.mkdir(parents=True, exist_ok=True)
        write_plot(options.report / "scaling.html", "检索耗时与段落数", scaling_plot(points))
        print(f"曲线：{options.report / 'scaling.html'}")
    return EXIT_OK


def _real_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant eval real", description="拿外部问题试一遍，看状态分布和耗时。")
    parser.add_argument("file", type=Path, metavar="FILE.tsv", help="两列：主题、问题")
    parser.add_argument("--sample", type=_positive, metavar="N", help="随机取几道")
    parser.add_argument("--seed", type=int, default=1, help="随机种子")
    parser.add_argument("--markdown", type=Path, metavar="FILE.md", help="把问答写成 Markdown，供人工评分")
    return parser


def _real(options: argparse.Namespace) -> int:
    from evals.real import ask_all, draw, load_questions, render, write_pairs

    questions = draw(load_questions(options.file), options.sample, options.seed)
    if not questions:
        raise CaseError([f"{options.file} 里没有问题。"])
    with closing(open_workbench(load_settings())) as bench:
        replies = ask_all(questions, bench)
    print(render(replies))
    if options.markdown is not None:
        write_pairs(options.markdown, replies)
        print(f"问答：{options.markdown}")
    return EXIT_OK


def _judge_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant eval calibrate", description="评分模型与人工评分的一致程度。")
    parser.add_argument("--model", required=True, help="langchain 的模型名，例如 openai:模型")
    parser.add_argument("--base-url", help="OpenAI 兼容服务的地址")
    parser.add_argument("--under-test", help="被测的模型；与评分模型相同时拒绝")
    parser.add_argument("--limit", type=_positive, metavar="N", help="最多评几份")
    return parser


def _calibrate(options: argparse.Namespace) -> int:
    from evals.judge import calibrate, load_graded, render

    graded = load_graded()[: options.limit]
    print(render(calibrate(options.model, _grader(options), graded)))
    return EXIT_OK


def _judge(options: argparse.Namespace) -> int:
    from evals.judge import PROMPT_VERSION, mean_grade

    grade = _grader(options)
    with closing(open_workbench(load_settings())) as bench:
        cases = sample(load_cases(CASES_FOLDER, bench.index.documents), options.limit)
        scores = run(Exam.of(cases, bench.index.passages), bench)
    grades = {score.case.id: grade(score.case.question, score.outcome.text) for score in scores}
    print(
        f"评分模型 {options.model}，提示词 {PROMPT_VERSION}，{len(grades)} 份，平均 {mean_grade(list(grades.values())) or 0:.2f}"
    )
    print("\n".join(f"{id_}：{value or '没有给出评分'}" for id_, value in grades.items() if value != "2"))
    return EXIT_OK


def _grader(options: argparse.Namespace) -> Any:
    from evals.judge import open_grader

    more = {"base_url": options.base_url} if options.base_url else {}
    return open_grader(options.model, options.under_test, **more)


def _fit_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant eval fit", description="在开发部分上重新测定排序权重和门槛。")
    parser.add_argument("--write", action="store_true", help="写进 knowledge/lexicon/ranking.json")
    return parser


def _fit(options: argparse.Namespace) -> int:
    from evals.fitting import choose_silence, choose_support, choose_thresholds, examples, fit, write

    with closing(open_workbench(load_settings())) as bench:
        cases = load_cases(CASES_FOLDER, bench.index.documents)
        chosen = [case for case in cases if case.part == "dev" and not case.history and case.expect in ("answer", "refuse")]
        # First of all, since the vote depends on it.
        silence = choose_silence(bench.retriever, chosen)
        found, names = examples(bench.retriever, chosen, silence)
        model = bench.embedder.identity
        support = choose_support(bench.retriever)
    weights, bias = fit(found, names)
    thresholds = replace(choose_thresholds(found, names, weights, bias), support=support, silence=silence)
    print(report.table(["信号", "权重"], [[name, f"{weight:.3f}"] for name, weight in weights.items()]))
    print(f"常数 {bias:.3f}，门槛 {thresholds}，{len(found)} 道开发题，模型 {model}")
    if options.write:
        write(weights, bias, thresholds, model)
    return EXIT_OK


def _masking_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant eval masking", description="个人信息的遮盖：召回、精确，以及有没有漏出去。")
    parser.add_argument("--samples", type=_positive, default=500, metavar="N", help="带个人信息的和不带的各几条")
    return parser


def _masking(options: argparse.Namespace) -> int:
    from evals.masking import measure, render

    with closing(open_workbench(load_settings())) as bench:
        print(render(measure(bench.assistant_over(bench.retriever), options.samples)))
    return EXIT_OK


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("应当是大于 0 的整数")
    return int(text)


_Command = tuple[Callable[[], argparse.ArgumentParser], Callable[[argparse.Namespace], int]]
_COMMANDS: dict[str, _Command] = {
    "run": (_run_parser, _run),
    "bench": (_bench_parser, _bench),
    "real": (_real_parser, _real),
    "calibrate": (_judge_parser, _calibrate),
    "judge": (_judge_parser, _judge),
    "fit": (_fit_parser, _fit),
    "masking": (_masking_parser, _masking),
}
