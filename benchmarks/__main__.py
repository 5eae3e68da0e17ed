"""python -m benchmarks: build the networks if they are missing, time everything, print tables, fill the document."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks import document, profiling, scaling, table
from benchmarks.cases import BUILT, CASES, Point, points
from benchmarks.lava_run import measure_lava
from benchmarks.machine import describe
from benchmarks.measure import environment, measure
from benchmarks.nengo_run import measure_nengo
from benchmarks.runners import KERNELS, PEERS
from benchmarks.work import work
from seamount.compiler.errors import InputError, Problem, SeamountError
from seamount.compiler.files import write_text

IMPLEMENTATIONS = (*KERNELS, *PEERS)
RESULT = BUILT / "result.json"
LEAST_ROUNDS = 5


def main(words: Sequence[str] | None = None) -> int:
    """Run from the command line; 0, or 2 for input that cannot be used."""
    options = _parser().parse_args(words)
    try:
        COMMANDS[options.what](options)
    except SeamountError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "what", nargs="?", default="all", choices=list(COMMANDS),
        help="all (default): build, run, scaling, report; build: train and compile what is missing; run: time; "
        "scaling: time against size; report: tables and document from the last results; "
        "profile CASE: where the engine's time goes, layer by layer",
    )  # fmt: skip
    parser.add_argument("case", nargs="?", choices=list(CASES), metavar="CASE", help="profile: of this case")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES), metavar="CASE")
    parser.add_argument("--batches", "--batch", nargs="+", type=int, help="only rows of these batch sizes")
    parser.add_argument("--implementations", nargs="+", default=list(IMPLEMENTATIONS), choices=IMPLEMENTATIONS)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="default: all cores")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help=f"default and least {LEAST_ROUNDS}")
    parser.add_argument("--resume", action="store_true", help="keep rows measured before with the same settings")
    parser.add_argument("--no-lava", action="store_true")
    parser.add_argument("--no-nengo", action="store_true")
    parser.add_argument("--minutes", type=float, default=30, help="no new row is begun after so long; default 30")
    parser.add_argument(
        "--check", action="store_true", help="run: whether everything runs, one round of one sample; nothing is kept"
    )
    parser.add_argument("--no-document", action="store_true", help="leave docs/performance.md as it is")
    return parser


def _profile(options: argparse.Namespace) -> None:
    if options.case is None:
        raise InputError(Problem("profile", "no case is named", f"name one of: {', '.join(CASES)}"))
    options.cases = [options.case]
    _build(options)
    probes = _probes(1)
    for point in points((options.case,)):
        if not options.batches or point.batch in options.batches:
            print(f"{point.key}, one thread")
            print(table.plain(*profiling.rows(profiling.measure(point, probes))))


def _all(options: argparse.Namespace) -> None:
    _build(options)
    _run(options)
    _scaling(options)
    _report(options)


def _build(options: argparse.Namespace) -> None:
    from benchmarks.build import build

    for name in options.cases:
        if not CASES[name].card.exists():
            _say(f"{name}: training, at most {CASES[name].minutes} minutes")
        card = build(CASES[name], partial(_progress, name), 1)
        _say(f"{name}: {card['updates']} updates, " + _accuracies(card))


def _accuracies(card: dict[str, Any]) -> str:
    return "; ".join(
        f"T = {t}: float {at['float_accuracy']:.1%}, integers {at['integer_accuracy']:.1%}"
        for t, at in card["at"].items()
    )


def _progress(name: str, done: int, planned: int, loss: float) -> None:
    if done % 50 == 0:
        _say(f"{name}: update {done} of {planned}, loss {loss:.3f}")


def _run(options: argparse.Namespace) -> None:
    _build(options)
    if options.check:
        _check(options)
        return
    rounds, begin = max(LEAST_ROUNDS, options.rounds), time.monotonic()
    machine = describe()
    settings = _settings(options, rounds, machine["revision"])
    probes = _probes(options.threads)
    _say(f"int8 {probes['int8_ops_per_s'] / 1e9:.0f} Gop/s, copy {probes['bytes_per_s'] / 1e9:.1f} GB/s")
    records = []
    for point in points(tuple(options.cases)):
        if options.batches and point.batch not in options.batches:
            continue
        path = BUILT / "rows" / f"{point.key}.json"
        record = _kept(path, settings) if options.resume else None
        if record is None and time.monotonic() - begin > 60 * options.minutes:
            _say(f"{point.key}: left out, --minutes {options.minutes:g} are over; --resume goes on here")
            continue
        if record is None:
            record = _row(point, options, rounds, probes) | {"settings": settings}
            _write(path, record)
        records.append(record)
        _say(_line(record))
    cards = {name: json.loads(CASES[name].card.read_text(encoding="utf-8")) for name in options.cases}
    result = {"machine": machine, "probes": probes, **settings, "cards": cards, "records": records}
    _write(RESULT, result)
    _print(result)


def _row(point: Point, options: argparse.Namespace, rounds: int, probes: dict[str, Any]) -> dict[str, Any]:
    case = CASES[point.case]
    record = measure(point, options.implementations, options.threads, rounds, _say)
    needed = work(case, point)
    record |= {"work": needed.tree(), "bound_s": needed.bound_s(probes)}
    if table.misses(record) and not options.check:
        _say(f"{point.key}: profile")
        record["profile"] = profiling.measure(point, _probes(1))
    if point.batch == 1 and point.steps == case.timed[0]:
        for key, samples, left_out, run in (
            ("lava", case.lava, options.no_lava, measure_lava),
            ("nengo", case.nengo, options.no_nengo, measure_nengo),
        ):
            if samples and not left_out:
                _say(f"{point.key}: {table.SIMULATORS[key]}")
                record[key] = run(point)
    return record


def _check(options: argparse.Namespace) -> None:
    """Every case and T at one sample, timed once; the simulators as they are."""
    probes = {"int8_ops_per_s": 1e12, "bytes_per_s": 1e10}
    chosen = [p for p in points(tuple(options.cases)) if not options.batches or p.batch in options.batches]
    small = dict.fromkeys(replace(p, batch=1) for p in chosen)
    records = [_row(point, options, 1, probes) for point in small]
    for line in table.failures(records):
        print(line)
    head, rows = table.simulators(records)
    print(table.plain(head, rows))
    _say(f"{len(records)} rows ran; these times are no measurement")


def _settings(options: argparse.Namespace, rounds: int, revision: str) -> dict[str, Any]:
    """What a row depends on beside its case, T and batch; a row of other settings is measured again."""
    return {
        "threads": options.threads, "rounds": rounds, "revision": revision,
        "implementations": sorted(set(options.implementations)),
        "lava": not options.no_lava, "nengo": not options.no_nengo,
    }  # fmt: skip


def _kept(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """A row measured before with these settings."""
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record if record.get("settings") == settings else None


@cache
def _probes(threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.probes", str(threads)]
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment(threads))
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def _scaling(options: argparse.Namespace) -> None:
    _write(scaling.RESULT, scaling.measure(options.threads, _say))


def _report(options: argparse.Namespace) -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    _print(result)
    if not options.no_document:
        scaled = json.loads(scaling.RESULT.read_text(encoding="utf-8")) if scaling.RESULT.exists() else None
        if scaled is not None:
            scaling.draw(scaled)
        document.write(result, scaled)


def _print(result: dict[str, Any]) -> None:
    records = result["records"]
    tables = (
        table.speed(records),
        table.efficiency(records, result["probes"]),
        table.agreement(records, result["cards"]),
        table.simulators(records),
    )
    for head, rows in tables:
        if rows:
            print(table.plain(head, rows))
    for line in table.failures(records):
        print(line)
    print(f"JSON: {RESULT}")


def _line(record: dict[str, Any]) -> str:
    head, rows = table.speed([record])
    return "; ".join(f"{h}: {c}" for h, c in zip(head[1:], rows[0][1:], strict=True) if c).join((f"{rows[0][0]}: ", ""))


def _write(path: Path, tree: dict[str, Any]) -> None:
    write_text(path, json.dumps(tree, indent=1) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


COMMANDS = {
    "all": _all, "build": _build, "run": _run, "scaling": _scaling, "report": _report, "profile": _profile,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
