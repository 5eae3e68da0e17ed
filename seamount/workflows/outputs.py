"""What workflows ask of a network: one output that labels and answers belong to, neurons that fire as stock ones do."""

from __future__ import annotations

from collections.abc import Sequence

from seamount.compiler.codes import OutputCode
from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.program.program import Program


def only_output(outputs: Sequence[OutputCode]) -> OutputCode:
    """The single output of an artifact. Raises InputError where there are several."""
    if len(outputs) != 1:
        names = ", ".join(c.readout for c in outputs)
        remedy = "run it from Python: docs/model-file.md, Several inputs and outputs"
        raise InputError(Problem("data", f"the network has {len(outputs)} outputs ({names})", remedy))
    return outputs[0]


def check_stock_firing(program: Program, what: str) -> None:
    """Raise InputError for populations that send several spikes in a step, or are guarded. what: knows neither."""
    remedy = f"{what} knows neurons with one spike and a plain reset alone"
    raise_all(
        InputError,
        [
            Problem(
                f"population '{p.name}'",
                "sends several spikes in one step" if p.most > 1 else "has a guarded reset (reset_delay=False)",
                remedy,
            )
            for p in program.populations
            if not p.sends_one
        ],
    )
