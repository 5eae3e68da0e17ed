"""An artifact as a folder that a Lava user runs or embeds: data, one script, requirements, README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any

from numpy.typing import NDArray

from seamount.backends.lava.lowering import for_lava
from seamount.compiler.artifact import VECTORS_FILE, Artifact
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import write_folder
from seamount.compiler.places import FolderKind
from seamount.compiler.program.codec import ARRAYS_FILE, FORMAT, PROGRAM_FILE, save_arrays, write_program
from seamount.compiler.program.needs import chip_needs
from seamount.compiler.program.program import Program, Shape

EXPORTED = Path(__file__).with_name("exported")
SCRIPT, CODES, REQUIREMENTS, README = "network.py", "encoding.json", "requirements.txt", "README.md"
FOLDER = FolderKind(
    "an exported network",
    PROGRAM_FILE,
    FORMAT,
    (PROGRAM_FILE, ARRAYS_FILE, VECTORS_FILE, CODES, SCRIPT, REQUIREMENTS, README, "__pycache__/network.*.pyc"),
    "choose another place",
    marks=(SCRIPT, CODES),
)
"""What Python keeps of network.py, once imported, is not foreign."""


def export_lava(artifact: Artifact, folder: Path, overwrite: bool = False) -> None:
    """Write the folder. network.py in it is the file that the Lava backend itself runs, byte for byte.

    Raises InputError when the artifact has no test vectors, when the folder exists and is not wholly ours (or
    `overwrite` is off), and when it cannot be written; then nothing is left behind.
    """
    if not artifact.vectors.messages:
        raise InputError(Problem("artifact", "holds no test vectors", "compile the model again"))
    folder = Path(folder)
    write_folder(folder, lambda draft: _write(artifact, draft, folder.name), FOLDER, overwrite)


def _write(artifact: Artifact, draft: Path, name: str) -> None:
    write_program(for_lava(artifact.program), draft)
    v = artifact.vectors
    parts: dict[str, Mapping[str, NDArray[Any]]] = {"messages": v.messages, "spikes": v.spikes, "readout": v.readout}
    save_arrays(draft / VECTORS_FILE, {f"{part}:{n}": x for part, group in parts.items() for n, x in group.items()})
    codes = {
        "inputs": {c.port: asdict(c) for c in artifact.inputs},
        "outputs": {c.readout: asdict(c) | {"task": c.task.value} for c in artifact.outputs},
    }
    (draft / CODES).write_text(json.dumps(codes, indent=1) + "\n", encoding="utf-8")
    for file in (SCRIPT, REQUIREMENTS):
        (draft / file).write_bytes((EXPORTED / file).read_bytes())
    (draft / README).write_text(readme(artifact, name), encoding="utf-8")


def readme(artifact: Artifact, folder: str) -> str:
    """The README of an exported folder."""
    template = Template((EXPORTED / "readme.txt").read_text(encoding="utf-8"))
    program, first = artifact.program, artifact.inputs[0]
    lead = "N" if first.encoding == "constant" else "N, T"
    each = artifact.outputs[0].rule == "each"
    return template.substitute(
        name=artifact.manifest.model.name,
        folder=folder,
        samples=len(next(iter(artifact.vectors.messages.values()))),
        ports=_ports(program),
        steps=program.steps,
        input=first.port,
        samples_shape=f"({', '.join([lead, *map(str, first.shape)])})",
        output=program.readouts[0].name,
        answers="N, T" if each else "N",
        axis=2 if each else 1,
        depth=program.depth,
        slowed=_slowed(program.slow_down),
        codes=_codes(artifact),
        needs=_needs(program),
    )


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, ("---",) * len(head), *rows])


def _shape(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def _ports(program: Program) -> str:
    rows: list[tuple[object, ...]] = [
        (f'`net.inputs["{p.name}"]`', _shape(p.shape), 0, f"integers {p.low} to {p.high}" if p.graded else "0 or 1")
        for p in program.inputs
    ]
    for p in program.populations:
        rows.append((f'`net.populations["{p.name}"].s_out`', _shape(p.shape), p.offset, "0 or 1"))
    for r in program.readouts:
        sent = {"s": "spikes", "u": "currents u", "v": "membranes v"}[r.register]
        p = program.population(r.population)
        what = f"{sent} of `{p.name}`; {_over(r.rule)}"
        rows.append((f'`net.outputs["{r.name}"]`', _shape(p.shape), p.offset, what))
    return _table(("port", "shape", "offset", "values"), rows)


def _over(rule: str) -> str:
    return "one per step" if rule == "each" else f"{rule} over the steps"


def _slowed(slow_down: int) -> str:
    if slow_down == 1:
        return ""
    return (
        f"\n- This network is slowed down {slow_down} times: each of these steps takes {slow_down} of the run, so that "
        f"T above means {slow_down} T. Send in the first of them and nothing in the others, as `net.stream` does."
    )


def _codes(artifact: Artifact) -> str:
    rows: list[tuple[object, ...]] = [
        (f"input `{c.port}`", c.coding, f"{c.unit:g}", f"{c.low:g} to {c.high:g}; {c.encoding}")
        for c in artifact.inputs
    ]
    rows += [(f"output `{c.readout}`", "integers", f"{c.unit:g}", _over(c.rule)) for c in artifact.outputs]
    return _table(("", "coding", "unit", "values"), rows)


def _needs(program: Program) -> str:
    needs = chip_needs(program)
    if not needs:
        return "Nothing in this network goes beyond what stock Lava processes do on a chip."
    listed = "\n".join(f"- {need.where}: {need.what}" for need in needs)
    return f"On a chip, this network needs more than stock Lava processes:\n\n{listed}"
