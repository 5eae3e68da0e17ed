"""python -m benchmarks.deployment [RESULT.json ...]: the deployment tables of docs/methods.md.

Without arguments the shipped network of each method is evaluated, with Lava where it is installed. Results that
`seamount evaluate --json` wrote for other networks are added beside what docs/methods-deployment.json keeps already.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.document import fill
from seamount.cli.app import app
from seamount.compiler.files import write_text
from seamount.models.reference.card import WEIGHTS
from seamount.workflows.brief import COMPARED
from seamount.workflows.evaluate import between_pj, ratio

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "methods.md"
KEPT = DOCUMENT.with_name("methods-deployment.json")
SHIPPED = {
    "digits": ("joint", "tssd", "pipe-s-etc", "etc"),
    "digits-quadrants": ("one-step",),
}
"""Data -> methods whose shipped network was trained on it."""
CHIP = "loihi1"
"""The cost set of a chip that stands beside the two of 45 nm."""
FORMS = ("int8", "float32")
Tree = Mapping[str, Any]


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for a file that cannot be used; that of `seamount evaluate` where it fails."""
    paths = [Path(w) for w in (sys.argv[1:] if words is None else words)]
    try:
        found = [tree for path in paths for tree in _read(path)] if paths else list(_shipped())
    except (OSError, ValueError, KeyError) as error:
        print(f"cannot be used: {error}", file=sys.stderr)
        return 2
    before = _read(KEPT) if KEPT.exists() else []
    kept = {(t["file"], t["data"]): trimmed(t) for t in (*before, *found)}
    trees = [kept[key] for key in sorted(kept, key=lambda k: (k[1] not in SHIPPED, k[1], k[0]))]
    write_text(KEPT, json.dumps({"models": trees}, indent=1, sort_keys=True) + "\n")
    write_text(DOCUMENT, fill(DOCUMENT.read_text(encoding="utf-8"), parts(trees)))
    return 0


def _read(path: Path) -> list[dict[str, Any]]:
    models: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["models"]
    return models


def _shipped() -> Iterator[dict[str, Any]]:
    """Evaluate the shipped networks; where that fails, the program ends with its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        for data, methods in SHIPPED.items():
            answer = Path(folder) / f"{data}.json"
            files = [str(WEIGHTS / f"method-{name}.pt") for name in methods]
            words = ["evaluate", *files, "--data", data, "--calibrate", data, "--set", CHIP, "--json", str(answer)]
            if code := app(words, prog_name="seamount", standalone_mode=False):
                sys.exit(code)
            yield from _read(answer)


def trimmed(tree: Tree) -> dict[str, Any]:
    """What the tables need: no times, no format that they do not show, no reasons for what is unknown."""
    rows = []
    for row in tree["integers"]:
        sets = {name: _priced(one) for name, one in row["energy"]["sets"].items()}
        kept = {k: v for k, v in row.items() if k != "seconds"}
        rows.append({**kept, "energy": {**row["energy"], "sets": sets}})
    return {**tree, "integers": rows}


def _priced(one: Tree) -> dict[str, Any]:
    """The energies of one cost set; ANNs where it has them."""
    ann = {}
    for form in (f for f in FORMS if f in one["ann"] and not one["ann"][f]["energy_pj"]["unknown"]):
        twin = one["ann"][form]
        ann[form] = {**{k: twin[k] for k in ("macs", "snn_over_ann")}, "energy_pj": _ends(twin["energy_pj"])}
    return {"snn_pj": _ends(one["snn_pj"]), "ann": ann}


def _ends(estimate: Tree) -> dict[str, Any]:
    return {k: estimate[k] for k in ("low", "high", "unknown")}


def parts(trees: Sequence[Tree]) -> dict[str, str]:
    """The generated parts of the document."""
    return {
        "deployed accuracy": table.markdown(*accuracy(trees)),
        "deployed events": table.markdown(*events(trees)),
        "deployed energy": table.markdown(*energy(trees)),
    }


def accuracy(trees: Sequence[Tree]) -> tuple[list[str], list[list[str]]]:
    """Float and integers at every T, the most that 8 bits lose, and what was exact."""
    head = [
        "network",
        "data, test samples",
        "trained T",
        "T",
        "float",
        "8 bits",
        "4 bits",
        "most lost at 8 bits",
        "exact",
    ]
    rows = []
    for tree in trees:
        steps = list(tree["float_accuracy"])
        lost = max(r["drop_points"] for r in tree["integers"] if r["bits"] == 8)
        rows.append(
            [
                name(tree), f"{tree['data']}, {tree['samples']:,}", str(tree["trained_steps"]), " / ".join(steps),
                " / ".join(f"{100 * tree['float_accuracy'][t]:.2f}" for t in steps),
                *(_reached(tree, bits) for bits in (8, 4)), f"{lost:.2f}", _exact(tree),
            ]
        )  # fmt: skip
    return head, rows


def _reached(tree: Tree, bits: int) -> str:
    return " / ".join(f"{100 * r['accuracy']:.2f}" for r in tree["integers"] if r["bits"] == bits)


def _exact(tree: Tree) -> str:
    """ "Lava, 3 samples, 8 and 4 bits" where nothing differed."""
    widths: dict[tuple[str, int], list[int]] = {}
    for row in tree["exact"]:
        if row["differing"]:
            return f"{row['with']}, {row['bits']} bits: {row['differing']} entries differ"
        widths.setdefault((row["with"], row["samples"]), []).append(row["bits"])
    for (form, samples), bits in sorted(widths.items(), key=lambda w: w[0][0] != "Lava"):
        return f"{form}, {samples} samples, {' and '.join(map(str, bits))} bits"
    return "not compared"


def events(trees: Sequence[Tree]) -> tuple[list[str], list[list[str]]]:
    """What happens per image at 8 bits."""
    head = ["network", "data", "T", "spikes", "rate", "SynOps", "neuron updates", "products of the ANN"]
    rows = [
        [
            name(tree), tree["data"], str(r["steps"]), f"{r['spikes']:,.0f}", f"{r['energy']['rate']:.3f}",
            f"{r['synops']:,.0f}", f"{r['updates']:,.0f}", f"{_macs(r):,}",
        ]
        for tree, r in _at_eight(trees)
    ]  # fmt: skip
    return head, rows


def energy(trees: Sequence[Tree]) -> tuple[list[str], list[list[str]]]:
    """The bracket beside the ANN in two formats, the papers' convention, and a chip's own costs."""
    head = [
        "network", "data", "T", "SNN", "int8 ANN", "SNN / int8 ANN", "float32 ANN", "SNN / float32 ANN",
        "papers: ANN / SNN, first layer once", "each step", f"{CHIP}, dynamic",
    ]  # fmt: skip
    rows = []
    for tree, r in _at_eight(trees):
        one, chip, papers = r["energy"]["sets"][COMPARED], r["energy"]["sets"].get(CHIP), r["energy"]["convention"]
        cells = [between_pj(one["snn_pj"])]
        for form in FORMS:
            cells += [between_pj(one["ann"][form]["energy_pj"]), ratio(one["ann"][form]["snn_over_ann"])]
        for key in ("ann_over_once", "ann_over_every_step"):
            cells.append("unknown" if papers is None else f"{papers[key]:.1f}")
        cells.append("" if chip is None else between_pj(chip["snn_pj"]))
        rows.append([name(tree), tree["data"], str(r["steps"]), *cells])
    return head, rows


def _at_eight(trees: Sequence[Tree]) -> Iterator[tuple[Tree, Tree]]:
    return ((tree, row) for tree in trees for row in tree["integers"] if row["bits"] == 8)


def _macs(row: Tree) -> int:
    return int(row["energy"]["sets"][COMPARED]["ann"]["int8"]["macs"])


def name(tree: Tree) -> str:
    """The file's name without what all share."""
    return str(Path(tree["file"]).stem.removeprefix("method-"))


if __name__ == "__main__":
    sys.exit(main())
