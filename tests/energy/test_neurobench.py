"""Counts of shipped networks against NeuroBench 2.3.0, which counts in its own environment (`make neurobench`).

NeuroBench leaves out synapses whose weight is 0, since it multiplies with weights made binary; a program stores them,
and a chip works them off. And it counts a membrane update where v changes in a step (in the first step everywhere),
while a chip updates every neuron in every step. Both differences are computed here, exactly.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.artifact import load_artifact
from seamount.compiler.codes import messages
from seamount.compiler.energy.counts import graded, projection_synapses
from seamount.compiler.execution import Trace
from seamount.compiler.program.program import Conv, Dense, Population, Program, Projection, synapses
from seamount.models.reference.card import WEIGHTS
from seamount.workflows.data import DataSource, load_data
from tests.cli.running import call

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("SEAMOUNT_NEUROBENCH_PYTHON", ROOT / ".venv-neurobench/bin/python"))
PROBE = Path(__file__).with_name("neurobench_count.py")
NETWORKS = ("digits-conv", "digits-dense", "digits-residual", "digits-recurrent")
SAMPLES = 60
PARAMETERS = ("du", "dv", "bias_mant", "v_init")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="no NeuroBench: 'make neurobench', or SEAMOUNT_NEUROBENCH_PYTHON"),
]


def described(program: Program, sent: dict[str, Any], steps: int) -> dict[str, Any]:
    """The program as the probe reads it."""
    arrays: dict[str, Any] = {f"messages:{name}": x for name, x in sent.items()}
    populations = []
    for p in program.populations:
        names = (*PARAMETERS, "vth") if p.fires else PARAMETERS
        arrays |= {f"{p.name}:{name}": np.asarray(getattr(p, name)) for name in names}
        populations.append(_population(p, names))
    projections = []
    for q in program.projections:
        arrays[f"{q.name}:weight"] = q.connection.weight
        projections.append(_projection(q))
    network = {"steps": steps, "inputs": list(sent), "populations": populations, "projections": projections}
    return {"network": np.array(json.dumps(network)), **arrays}


def _population(p: Population, names: tuple[str, ...]) -> dict[str, Any]:
    plain = {k: getattr(p, k) for k in ("name", "bias_exp", "reset", "v_min", "fires")}
    return {**plain, "shape": list(p.shape), "arrays": list(names)}


def _projection(q: Projection) -> dict[str, Any]:
    out: dict[str, Any] = {k: getattr(q, k) for k in ("name", "source", "target", "weight_exp", "lag")}
    if isinstance(q.connection, Conv):
        geometry = {k: getattr(q.connection, k) for k in ("stride", "padding", "dilation", "groups")}
        return {**out, "kind": "conv", **geometry}
    assert isinstance(q.connection, Dense)
    return {**out, "kind": "dense"}


def zero_events(program: Program, trace: Trace, sent: dict[str, Any]) -> dict[str, int]:
    """Projection -> synaptic operations on stored weights of value 0."""
    found = {}
    for q in program.projections:
        _, pre, weight = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
        zeros = np.bincount(pre[weight == 0], minlength=int(np.prod(program.shapes[q.source])))
        source = sent[q.source] if q.source in sent else trace.spikes[q.source]
        delivered = (source[:, : trace.counts.steps - q.lag] != 0).sum(axis=(0, 1)).reshape(-1)
        found[q.name] = int(delivered @ zeros)
    return found


def unchanged(program: Program, trace: Trace) -> int:
    """Neuron-steps after the first in which v is what it was."""
    return sum(int((trace.v[p.name][:, 1:] == trace.v[p.name][:, :-1]).sum()) for p in program.populations)


@pytest.mark.parametrize("name", NETWORKS)
def test_agrees_with_neurobench_up_to_what_is_explained(name: str, tmp_path: Path) -> None:
    assert call(["compile", str(WEIGHTS / f"{name}.pt"), "-o", str(tmp_path / name), "-q"]).code == 0
    artifact = load_artifact(tmp_path / name)
    program, code = artifact.program, artifact.inputs[0]
    digits = "digits-rows" if code.encoding == "sequence" else "digits"
    data = load_data(DataSource(digits, limit=SAMPLES, seed=0), program.steps)
    sent = {code.port: messages(code, data.x, program.steps)}
    trace = VectorizedSimulator().run(program, sent, frozenset({"spikes", "v"}))
    np.savez(tmp_path / "network.npz", **described(program, sent, program.steps))
    subprocess.run([PYTHON, PROBE, tmp_path / "network.npz", tmp_path / "out.json"], check=True, timeout=300)
    theirs = json.loads((tmp_path / "out.json").read_text())

    counts = trace.counts
    assert theirs["spikes"] == {p.name: counts.spikes[p.name].tolist() for p in program.populations}, "same network"
    zeros = zero_events(program, trace, sent)
    spiking = {q.name for q in program.projections if not graded(program, q.source)}
    ours = {k: n - zeros[k] for k, n in counts.synop_totals.items()}
    totals = {
        "Effective_ACs": sum(n for k, n in ours.items() if k in spiking),
        "Effective_MACs": sum(n for k, n in ours.items() if k not in spiking),
        "Dense": sum(projection_synapses(program, q) * (counts.steps - q.lag) for q in program.projections) * SAMPLES,
        "Membrane_Updates": sum(counts.updates.values()) - unchanged(program, trace),
    }
    found = {k: round(v * SAMPLES) for k, v in theirs["per_sample"].items()}
    mine = {"SynOps": sum(counts.synop_totals.values()), "on zero weights": sum(zeros.values()),
            "updates": sum(counts.updates.values()), "v unchanged": unchanged(program, trace)}  # fmt: skip
    print(f"\n{name}, {SAMPLES} samples: {mine}; NeuroBench {found}")
    assert found == totals
