"""What exists in training only is gone: from the network that is deployed, and from the integers it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
pytest.importorskip("sklearn")

from seamount.backends.registry import load_target  # noqa: E402
from seamount.compiler.driver import compile_graph  # noqa: E402
from seamount.compiler.program.text import to_text  # noqa: E402
from seamount.frontends import load_model, save  # noqa: E402
from seamount.models.data.datasets import load  # noqa: E402
from seamount.models.networks.stages import Task, chain, unroll  # noqa: E402
from seamount.models.recipes.registry import RECIPES  # noqa: E402
from seamount.models.recipes.training import Samples, Schedule, Trained, train  # noqa: E402

TASK, LAYERS, STEPS = Task((1, 8, 8), 10), "4C3-AP2-6C3-6C3", 3
ONLY_IN_TRAINING = {"joint": 10, "branch-ce": 8, "tssd": 2}
"""Method -> at least so many tensors that the deployed network lacks: factors, an artificial half, classifiers."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def trained(name: str) -> tuple[Trained, Any]:
    data = load("digits", "train", limit=48)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    done = train(RECIPES[name], lambda a: chain(LAYERS, TASK, a), Samples(x, y, True), Schedule(3, 16), seed=3)
    return done, x[:8]


def outputs(network: Any, x: Any) -> Any:
    with torch.no_grad():
        return torch.stack(unroll(network, x, STEPS, True))


def tensors(module: Any) -> list[Any]:
    return [*module.parameters(), *module.buffers()]


@pytest.mark.parametrize("name", [n for n in RECIPES if n != "one-step"])
def test_ruining_what_only_training_needs_changes_nothing(name: str) -> None:
    """Every tensor that the deployed network does not hold becomes NaN; nothing is read from it."""
    done, x = trained(name)
    before = outputs(done.network, x)
    held = {t.data_ptr() for t in tensors(done.network)}
    others = [t for t in tensors(done.trainee) if t.is_floating_point() and t.data_ptr() not in held]
    assert len(others) >= ONLY_IN_TRAINING.get(name, 0)
    with torch.no_grad():
        for tensor in others:
            tensor.fill_(float("nan"))
    for child in list(done.trainee._modules):
        if done.trainee is not done.network:
            delattr(done.trainee, child)
    assert torch.isfinite(before).all() and torch.equal(outputs(done.network, x), before)


def integers(network: Any, x: Any, file: Path) -> str:
    save(network, file, sample=x, steps=STEPS, readout="mean", coding="graded", input_range=(0, 1))
    return to_text(
        compile_graph(load_model(file).graph(), load_target("loihi-sim"), encoding="constant").artifact.program
    )


@pytest.mark.parametrize("name", ["joint", "tssd", "pipe-s-etc", "pipe-d", "etc"])
def test_the_integers_are_those_of_a_network_that_never_had_it(name: str, tmp_path: Path) -> None:
    done, x = trained(name)
    bare = chain(LAYERS, TASK, RECIPES[name].neuron)
    bare.load_state_dict(done.network.state_dict())
    bare.eval()
    program = integers(done.network, x.numpy(), tmp_path / "trained.pt")
    assert program == integers(bare, x.numpy(), tmp_path / "bare.pt")
    assert program.count("projection") == 4
