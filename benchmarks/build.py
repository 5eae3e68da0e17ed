"""Trained, saved and compiled networks: what the timing starts from."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import torch

from benchmarks import runners
from benchmarks.cases import Case
from benchmarks.data import samples
from benchmarks.neurons import spikingjelly
from benchmarks.train import Report, train
from seamount.backends.registry import load_backend, load_target
from seamount.compiler.artifact import load_artifact, save_artifact
from seamount.compiler.codes import share_right
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import InputError
from seamount.compiler.files import write_text
from seamount.frontends import save
from seamount.frontends.model_file.file import write_torch
from seamount.workflows.load import load

GOLDEN, CALIBRATION, EVALUATED = 2, 32, 64
"""Samples in the model file; samples scales are set on; samples at once when accuracy is measured."""


def build(case: Case, report: Report, threads: int) -> dict[str, Any]:
    """Train, save, compile and test a network, unless that was done; returns its card."""
    if case.card.exists() and _usable(case):
        card: dict[str, Any] = json.loads(case.card.read_text(encoding="utf-8"))
        return card
    case.folder.mkdir(parents=True, exist_ok=True)
    card = {}
    if not case.weights.exists():
        torch.set_num_threads(threads)
        begin = time.perf_counter()
        model, updates = train(case, report)
        state = {k: v for k, v in model.state_dict().items() if ".inner." in k or k.startswith("back")}
        content = {"weights": state, "updates": updates, "seconds": time.perf_counter() - begin}
        write_torch(content, case.weights)
    known = torch.load(case.weights, weights_only=True)
    card = {"updates": known["updates"], "training_s": round(known["seconds"], 1)}
    compile_case(case)
    card |= evaluate(case)
    write_text(case.card, json.dumps(card, indent=1) + "\n")
    return card


def _usable(case: Case) -> bool:
    """Whether this version of Seamount reads the artifact; one of an older version is compiled again, not trained."""
    try:
        load_artifact(case.artifact)
    except InputError:
        return False
    return True


def compile_case(case: Case) -> None:
    """Model file and artifact, by the path that any user's network takes."""
    steps = case.timed[0]
    kit = spikingjelly()
    model = runners.peer_network(case, kit)
    x, y = samples(case.source, "test", steps, GOLDEN)
    constant = case.encoding == "constant"
    coding: Any = {"coding": "graded", "input_range": (0.0, 1.0)} if constant else {"coding": "spikes"}
    save(
        model, case.model, sample=x, steps=steps if constant else None, encoding=case.encoding, readout=case.readout,
        labels=y, time="loop", name=case.name, description=case.title, **coding,
    )  # fmt: skip
    source = load(case.model)
    some, _ = samples(case.source, "train", steps, CALIBRATION)
    compiled = compile_graph(
        source.graph, load_target("loihi-sim"),
        samples=source.stepped(some, steps), encoding=source.encoding, about=source.about,
    )  # fmt: skip
    save_artifact(compiled.artifact, case.artifact, overwrite=True)


def evaluate(case: Case) -> dict[str, Any]:
    """Accuracy of the float network and of the integers, and how often their predictions agree, at each T."""
    found: dict[str, Any] = {"tested": case.tested, "at": {}}
    for steps in case.timed:
        x, y = samples(case.source, "test", steps, case.untested + case.tested)
        x, y = x[case.untested :], y[case.untested :]
        answers: dict[str, list[Any]] = {"float": [], "integer": []}
        for i in range(0, len(x), EVALUATED):
            part = x[i : i + EVALUATED]
            answers["float"].append(runners.Peer(case, "spikingjelly", part, steps).run().argmax(-1))
            answers["integer"].append(runners.Integers(case, load_backend("cpu"), part, steps).run().argmax(-1))
        real, whole = (np.concatenate(answers[k]) for k in ("float", "integer"))
        found["tested"] = len(y)
        found["at"][str(steps)] = {
            "float_accuracy": share_right(real, y),
            "integer_accuracy": share_right(whole, y),
            "agreement": float(np.mean(real == whole)),
        }
    return found
