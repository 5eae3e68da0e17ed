"""python -m benchmarks.tuning: what tuning in integers gives back, on whole test sets that it never sees.

    python -m benchmarks.tuning run digits-conv --bits 4 2 ternary --seeds 3
    python -m benchmarks.tuning table

A row is kept as soon as it is there; `run` leaves out the rows that are. `table` fills docs/tuning.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import table
from benchmarks.document import fill
from seamount.compiler.errors import SeamountError
from seamount.compiler.files import write_text
from seamount.compiler.pipelines import Options
from seamount.models.reference.card import WEIGHTS
from seamount.models.reference.registry import CARDS
from seamount.workflows.artifact import Artifact
from seamount.workflows.compile import CALIBRATED, compilation, compile
from seamount.workflows.data import DataSource, labelled
from seamount.workflows.load import Model, load
from seamount.workflows.tune import tune
from seamount.workflows.tuned import TuneSettings

ROOT = Path(__file__).resolve().parents[1]
ROWS, DOCUMENT, KEPT = ROOT / "build" / "tuning", ROOT / "docs" / "tuning.md", ROOT / "docs" / "tuning-results.json"
TERNARY = "ternary"
HEAD = ("network", "weights", "float", "integers", "tuned", "seeds", "came back", "trained on", "epochs")


@dataclass(frozen=True)
class Row:
    """One tuning. bits: a number, or "ternary". limit: training samples, None for all. labels: False distils."""

    network: str
    bits: str
    seed: int
    epochs: int
    batch: int
    rate: float | None
    limit: int | None
    labels: bool

    @property
    def path(self) -> Path:
        kind = "" if self.labels else "-distilled"
        return ROWS / f"{self.network}-{self.bits}{kind}-{self.seed}.json"

    @property
    def width(self) -> int:
        return 2 if self.bits == TERNARY else int(self.bits)


def main(words: Sequence[str] | None = None) -> int:
    """Run from the command line; 0, or the exit code of an error."""
    options = _parser().parse_args(words)
    try:
        (_run if options.what == "run" else _table)(options)
    except SeamountError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--bits", nargs="+", default=["8", "4", "3", "2", TERNARY])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--limit", type=int, help="training samples, the first ones; default: all")
    parser.add_argument("--no-labels", action="store_true", help="distillation")
    return parser


def _run(options: argparse.Namespace) -> None:
    for network in options.networks:
        for seed in options.seeds:
            for bits in options.bits:
                row = Row(
                    network, bits, seed, options.epochs, options.batch, options.rate, options.limit,
                    not options.no_labels,
                )  # fmt: skip
                if not row.path.exists():
                    found = measured(row)
                    write_text(row.path, json.dumps(found, indent=1) + "\n")
                    said = f"float {found['float']:.4f}, integers {found['untuned']}, tuned {found['tuned']:.4f}"
                    print(f"{network} {bits} seed {seed}: {said}")


def measured(row: Row) -> dict[str, Any]:
    """Accuracies on the whole test set: float, integers as compiled, integers as tuned."""
    model, data = load(WEIGHTS / f"{row.network}.pt"), CARDS[row.network].data
    train = DataSource(data, "train", row.limit)
    ternary = row.bits == TERNARY
    began = time.monotonic()
    tuned = tune(
        model, train, weight_bits=row.width, ternary=ternary, progress=False,
        settings=TuneSettings(
            epochs=row.epochs, batch=row.batch, rate=row.rate, seed=row.seed, labels=row.labels
        ),
    )  # fmt: skip
    seconds = time.monotonic() - began
    few = DataSource(data, "train", CALIBRATED)
    made = compilation(model, options=Options(row.width), calibrate=few, vectors=False, progress=False)
    return {
        "network": row.network, "bits": row.bits, "seed": row.seed, "epochs": row.epochs, "batch": row.batch,
        "rate": row.rate, "labels": row.labels, "samples": tuned.tuning.samples, "validation": tuned.tuning.validation,
        "best": tuned.tuning.best, "float": model.about.float_accuracy,
        "untuned": None if ternary else accuracy(made.artifact, model, data),
        "tuned": accuracy(compile(tuned.model, progress=False), model, data),
        "held_out": [tuned.tuning.before, tuned.tuning.after], "checked_entries": tuned.checked, "seconds": seconds,
    }  # fmt: skip


def accuracy(artifact: Artifact, model: Model, data: str) -> float:
    """Share of right answers on the whole test split."""
    test = labelled(DataSource(data, "test"), model.steps)
    ran = artifact.run(test.x, test.y, progress=False)
    assert ran.accuracy is not None
    return float(ran.accuracy)


def _table(options: argparse.Namespace) -> None:
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(ROWS.glob("*.json"))]
    known = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else []
    key = ("network", "bits", "labels", "seed")
    merged = {tuple(r[k] for k in key): r for r in (*known, *rows)}
    rows = [merged[k] for k in sorted(merged, key=str)]
    write_text(KEPT, json.dumps(rows, indent=1) + "\n")
    write_text(DOCUMENT, fill(DOCUMENT.read_text(encoding="utf-8"), {"tuning": table.markdown(*cells(rows))}))


def cells(rows: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """One line per network, width and goal; means over seeds, with the standard deviation of the tuned accuracy."""
    grouped: dict[tuple[str, str, bool], list[dict[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["network"], row["bits"], row["labels"]), []).append(row)
    order = list(CARDS)
    widths = ["8", "7", "6", "5", "4", "3", "2", TERNARY, "1"]
    keys = sorted(grouped, key=lambda k: (order.index(k[0]), not k[2], widths.index(k[1])))
    found = []
    for network, bits, labels in keys:
        same = grouped[network, bits, labels]
        tuned, before, first = np.array([r["tuned"] for r in same]), same[0]["untuned"], same[0]
        spread = f" ± {100 * tuned.std(ddof=1):.2f}" if len(same) > 1 else ""
        found.append([
            network, ("2 bits, ternary" if bits == TERNARY else f"{bits} bits") + ("" if labels else ", no labels"),
            f"{100 * first['float']:.2f} %", "" if before is None else f"{100 * before:.2f} %",
            f"{100 * tuned.mean():.2f} %{spread}", str(len(same)), _share(first["float"], before, float(tuned.mean())),
            f"{first['samples']:,}", str(first["epochs"]),
        ])  # fmt: skip
    return list(HEAD), found


def _share(trained: float, before: float | None, tuned: float) -> str:
    """Share of what rounding lost that tuning gave back, where it lost more than a point."""
    if before is None or trained - before <= 0.01:
        return ""
    return f"{100 * (tuned - before) / (trained - before):.0f} %"


if __name__ == "__main__":
    sys.exit(main())
