"""Runs in Lava's Python: builds the graphs of programs, makes one step, and prints what they consist of as JSON.

python lava_probe.py PROGRAM_FOLDER ...
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

# ruff: noqa: E402  the package has to exist before it is imported
_package = types.ModuleType("seamount")
_package.__path__ = [str(Path(__file__).resolve().parents[2])]
sys.modules["seamount"] = _package

import numpy as np
from lava.magma.core.run_conditions import RunSteps

from seamount.backends.lava.build import Network
from seamount.compiler.program.codec import read_program
from seamount.compiler.program.program import synapses


def probe(folder: Path) -> dict[str, Any]:
    """What every population and projection became, and the weights Lava really uses after its clip and truncation."""
    program = read_program(folder)
    silence = {port.name: np.zeros((1, program.steps, *port.shape), np.int32) for port in program.inputs}
    network = Network(program, silence)
    models = {}
    network.root.run(condition=RunSteps(num_steps=1), run_cfg=network.run_config())
    try:
        for q in program.projections:
            process = network.projections[q.name]
            used = process.weight.get() if hasattr(process, "weight") else process.weights.get()
            used = used.toarray() if hasattr(used, "toarray") else used
            models[q.name] = {
                "process": type(process).__name__,
                "same": bool(same_weights(program, q, np.asarray(used))),
                "message_bits": int(process.proc_params["num_message_bits"]),
            }
    finally:
        network.root.stop()
    kinds = {name: type(process).__name__ for name, process in network.populations.items()}
    modules = sorted({name.partition(".")[0] for name in sys.modules} & {"torch", "nir", "norse", "msgspec", "h5py"})
    return {"populations": kinds, "projections": models, "foreign": modules}


def same_weights(program: Any, q: Any, used: Any) -> bool:
    """Whether the synapses Lava uses are those of the program, the exponent of a Conv included."""
    if used.ndim == 4:
        kernel = used.transpose(0, 3, 2, 1)[:, :, ::-1, ::-1]
        return np.array_equal(kernel, q.connection.weight << q.weight_exp)
    post, pre, weight = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
    expected = np.zeros(used.shape, np.int64)
    expected[post, pre] = weight
    return np.array_equal(used, expected)


if __name__ == "__main__":
    print("probe: " + json.dumps([probe(Path(folder)) for folder in sys.argv[1:]]))
