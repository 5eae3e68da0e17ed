"""The output of a network that labels and answers belong to."""

from __future__ import annotations

from collections.abc import Sequence

from seamount.compiler.codes import OutputCode
from seamount.compiler.errors import InputError, Problem


def only_output(outputs: Sequence[OutputCode]) -> OutputCode:
    """The single output of an artifact. Raises InputError where there are several."""
    if len(outputs) != 1:
        names = ", ".join(c.readout for c in outputs)
        remedy = "run it from Python: docs/model-file.md, Several inputs and outputs"
        raise InputError(Problem("data", f"the network has {len(outputs)} outputs ({names})", remedy))
    return outputs[0]
