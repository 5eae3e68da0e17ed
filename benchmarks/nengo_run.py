"""nengo-loihi's emulator on the compiled network, with the same integers, in its own environment (`make nengo`)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import CASES, Point
from benchmarks.data import samples
from benchmarks.runners import Integers
from seamount.backends.registry import load_backend
from seamount.compiler.execution import combine
from seamount.compiler.program.needs import NEED_WORDS
from seamount.compiler.program.program import V_MAX, VTH_SHIFT, Population, Program, shift, synapses

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "SEAMOUNT_NENGO_PYTHON"
LIMIT_S = 300.0
REGISTERS = {"s": "spiked", "u": "current", "v": "voltage"}


def interpreter() -> Path | None:
    """Python of the environment, None where there is none."""
    path = Path(os.environ.get(VARIABLE) or ROOT / ".venv-nengo" / "bin" / "python")
    return path if path.is_file() else None


def measure_nengo(point: Point) -> dict[str, Any]:
    """Seconds per sample, once; building the model apart. "absent" or "failed" says why there is none."""
    python = interpreter()
    if python is None:
        return {"absent": f"no Python with nengo-loihi; make one with 'make nengo', or name one with {VARIABLE}"}
    case = CASES[point.case]
    x, _ = samples(case.source, "test", point.steps, 1 + case.nengo)
    ours = Integers(case, load_backend("vectorized"), x, point.steps)
    program = ours.artifact.program
    expected = ours.backend.run(program, ours.messages).readout
    try:
        readout, seconds, start = emulate(python, program, ours.messages[program.inputs[0].name])
    except RuntimeError as error:
        return {"failed": str(error)}
    return {
        "seconds_per_sample": float(np.mean(seconds[1:])),
        "start_s": start,
        "samples": case.nengo,
        "equal": bool(np.array_equal(readout, expected[program.readouts[0].name])),
    }


def emulate(
    python: Path, program: Program, messages: NDArray[np.integer[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Readout of the program as `Trace.readout` has it, seconds of each sample, seconds to build the model.

    Raises RuntimeError when the emulator cannot do it, or fails.
    """
    with tempfile.TemporaryDirectory(prefix="seamount-nengo-") as folder:
        asked, answered = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        np.savez(asked, **request(program, messages))
        try:
            subprocess.run(
                [python, ROOT / "benchmarks" / "nengo_host.py", asked, answered],
                check=True, capture_output=True, text=True, timeout=LIMIT_S, env={**os.environ, "PYTHONPATH": ""},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"took more than {LIMIT_S:g} s") from None
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines() or [f"ended with code {error.returncode}"]
            raise RuntimeError(said[-1]) from None
        with np.load(answered, allow_pickle=False) as answer:
            series, seconds, start = answer["series"], answer["seconds"], float(answer["start"])
    (readout,) = program.readouts
    shaped = series.astype(np.int64).reshape(*series.shape[:2], *program.shapes[readout.population])
    return combine(readout, shaped), seconds, start


def request(program: Program, messages: NDArray[np.integer[Any]]) -> dict[str, Any]:
    """Program and messages (N, T, *shape) as arrays. Raises RuntimeError for what the emulator does not have."""
    (port,), (readout,) = program.inputs, program.readouts
    if port.graded:
        raise RuntimeError(f"{port.name}: nengo-loihi's emulator takes spikes, no values")
    tree = {
        "inputs": {"name": port.name, "size": int(np.prod(port.shape))},
        "populations": [
            {"name": p.name, "size": p.size, "offset": p.offset, "v_min": p.v_min} for p in program.populations
        ],
        "projections": [{"name": q.name, "source": q.source, "target": q.target} for q in program.projections],
        "readout": {"population": readout.population, "register": REGISTERS[readout.register]},
    }
    arrays: dict[str, Any] = {"request": json.dumps(tree), "messages": messages.reshape(*messages.shape[:2], -1)}
    for p in program.populations:
        arrays |= {f"{p.name}/{key}": value for key, value in _neurons(p).items()}
    for q in program.projections:
        if q.delay or program.slow_down != 1 or q.weight_exp < -VTH_SHIFT:
            raise RuntimeError(f"{q.name}: nengo-loihi's emulator has no delays and no weights below 1")
        post, pre, weight = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
        scaled = weight << (VTH_SHIFT + q.weight_exp)
        arrays |= {f"{q.name}/{k}": a.astype(np.int32) for k, a in (("post", post), ("pre", pre), ("weight", scaled))}
    return arrays


def _neurons(p: Population) -> dict[str, NDArray[np.int64]]:
    """Parameters in the emulator's units; a bias with a negative exponent is rounded down before the run."""
    if p.needs_microcode:
        raise RuntimeError(
            f"{p.name}: nengo-loihi's emulator has no {', '.join(NEED_WORDS[need] for need in p.needs_microcode)}"
        )
    bias = shift(np.asarray(p.bias_mant, np.int64).reshape(-1), p.bias_exp)
    threshold = V_MAX if p.vth is None else np.asarray(p.vth, np.int64).reshape(-1) << VTH_SHIFT
    return {
        "decay_u": np.asarray(p.du, np.int64).reshape(-1),
        "decay_v": np.asarray(p.dv, np.int64).reshape(-1),
        "vth": np.asarray(threshold),
        "bias": np.broadcast_to(bias, p.size),
    }
