"""Training recipes: terms switched off are plain training, what is training-only is gone, equations hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
pytest.importorskip("sklearn")

from seamount.models.data.datasets import load  # noqa: E402
from seamount.models.networks.grouped import GroupNetwork, Plan, unrolled  # noqa: E402
from seamount.models.networks.residual import resnet  # noqa: E402
from seamount.models.networks.stages import Task, chain, unroll  # noqa: E402
from seamount.models.recipes.augment import Augment  # noqa: E402
from seamount.models.recipes.divergence import pairwise, soft_divergence  # noqa: E402
from seamount.models.recipes.etc import Etc  # noqa: E402
from seamount.models.recipes.evaluate import _pairwise_kl, _share_right, evaluate  # noqa: E402
from seamount.models.recipes.factorised import SharedVectors  # noqa: E402
from seamount.models.recipes.joint import Joint, Pair, member  # noqa: E402
from seamount.models.recipes.one_step import OneStep  # noqa: E402
from seamount.models.recipes.pipe import Clip, PipeD, PipeS, adapt, ramp_ends  # noqa: E402
from seamount.models.recipes.plain import Plain  # noqa: E402
from seamount.models.recipes.recipe import Batch, Phase, Recipe, step_loss  # noqa: E402
from seamount.models.recipes.registry import RECIPES  # noqa: E402
from seamount.models.recipes.training import Samples, Schedule, Trained, train  # noqa: E402
from seamount.models.recipes.tssd import Tssd, WithWeakClassifier  # noqa: E402

TASK, LAYERS = Task((1, 8, 8), 10), "4C3-AP2-6C3-6C3"
QUADRANTS = Task((4, 4, 4), 10)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def digits(count: int = 48, name: str = "digits") -> Samples:
    data = load(name, "train", limit=count)
    return Samples(torch.from_numpy(data.x), torch.from_numpy(data.y), True)


def plain(activation: Any) -> Any:
    return chain(LAYERS, TASK, activation)


def trained(recipe: Recipe, epochs: int = 2, **how: Any) -> Trained:
    return train(recipe, plain, digits(), Schedule(epochs, 16), seed=3, **how)


def same(a: Any, b: Any) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return list(left) == list(right) and all(torch.equal(left[k], right[k]) for k in left)


OFF = {
    "etc": Etc(weight=0),
    "tssd": Tssd(steps=4, temporal=0, spatial=0, both=False),
    "joint": Joint(neuron=Plain().neuron, branches=0, artificial=False, factorise=False, summed=False),
    "pipe-d": PipeD(neuron=Plain().neuron, frozen_epochs=0),
}


@pytest.mark.parametrize("name", OFF)
def test_switched_off_is_plain_training_bit_for_bit(name: str) -> None:
    with_phase = trained(Plain()) if name != "pipe-d" else trained(_SecondPhase())
    assert same(trained(OFF[name]).network, with_phase.network)


class _SecondPhase(Plain):
    """Plain training whose order of samples is that of a second phase, as pipe-d's main phase is."""

    def phases(self, epochs: int) -> tuple[Phase, ...]:
        return Phase("none", 0), Phase("all", epochs)


@pytest.mark.parametrize("recipe", [Etc(), Tssd(steps=4, teacher_steps=6), PipeS(tuning_epochs=1)])
def test_switched_on_is_something_else(recipe: Recipe) -> None:
    assert not same(trained(recipe).network, trained(Plain()).network)


@pytest.mark.parametrize("name", [n for n in RECIPES if n != "one-step"])
def test_what_is_deployed_has_nothing_that_only_training_needs(name: str) -> None:
    done = trained(RECIPES[name], epochs=3)
    bare = chain(LAYERS, TASK, RECIPES[name].neuron)
    assert set(done.network.state_dict()) == set(bare.state_dict())
    bare.load_state_dict(done.network.state_dict())
    bare.eval()
    x = digits().x[:8]
    with torch.no_grad():
        ours, theirs = (torch.stack(unroll(n, x, 3, True)) for n in (done.network, bare))
    assert torch.equal(ours, theirs)


def test_another_number_of_steps_reaches_every_part() -> None:
    assert Etc().at(2) == Etc(steps=2)
    assert Tssd().at(6) == Tssd(steps=6, teacher_steps=12)
    assert PipeS(tuning=Etc()).at(2) == PipeS(steps=2, tuning=Etc(steps=2))


def test_joint_export_equals_the_factorised_forward() -> None:
    done = trained(Joint())
    pair = done.trainee
    assert isinstance(pair, Pair)
    data = digits(16)
    with torch.no_grad():
        pair.eval()
        inside = pair.run("snn", Batch(data.x, data.y, True, Phase("train", 1)), 4)[0][0]
        outside = torch.stack(unroll(done.network, data.x, 4, True)).sum(0)
        artificial = pair.run("ann", Batch(data.x, data.y, True, Phase("train", 1)), 1)[0][0]
        assert torch.allclose(inside, outside, atol=1e-5)
        assert torch.allclose(artificial, member(pair, "ann")(data.x), atol=1e-5)
    assert pair.halves["snn"].network.head[-1].bias is pair.halves["ann"].network.head[-1].bias


def test_joint_deploys_the_spiking_batch_norms() -> None:
    done = trained(Joint())
    pair = done.trainee
    mean = {m: pair.halves[m].network.stages[0][1].running_mean for m in ("snn", "ann")}
    assert torch.equal(done.network.stages[0][1].running_mean, mean["snn"])
    assert not torch.equal(mean["snn"], mean["ann"])


def test_shared_vectors_start_at_the_weight() -> None:
    weight = torch.randn(6, 4, 3, 3)
    shared = SharedVectors(weight, ("a", "b"))
    assert torch.allclose(shared.weight("a"), weight, atol=1e-5)
    with torch.no_grad():
        shared.sigma["a"].zero_()
    assert not shared.weight("a").any() and torch.allclose(shared.weight("b"), weight, atol=1e-5)


def test_divergence_by_hand() -> None:
    a, b = torch.tensor([[0.0, 0.0]], requires_grad=True), torch.tensor([[np.log(3.0), 0.0]], requires_grad=True)
    p, q = np.array([0.75, 0.25]), np.array([0.5, 0.5])
    one_way, other = (float((x * np.log(x / y)).sum()) for x, y in ((p, q), (q, p)))
    assert soft_divergence(a, b, 1.0).item() == pytest.approx(one_way)
    assert pairwise([a, b], 1.0).item() == pytest.approx((one_way + other) / 2)
    soft_divergence(a, b, 1.0).backward()
    assert a.grad is not None and b.grad is None
    assert float(pairwise([a], 1.0)) == 0


def test_agreement_of_the_steps_is_the_mean_over_pairs() -> None:
    outputs = torch.randn(5, 7, 3, dtype=torch.float64)
    p = torch.softmax(outputs, 2)
    pairs = [(p[j] * (p[j] / p[i]).log()).sum(1).mean() for i in range(5) for j in range(5) if i != j]
    assert _pairwise_kl(outputs) == pytest.approx(float(torch.stack(pairs).mean()))
    assert _pairwise_kl(outputs[:1]) == 0


def test_a_label_per_step_counts_where_it_is_known() -> None:
    outputs = [torch.randn(3, 4) for _ in range(2)]
    y = torch.tensor([[0, -1, 2], [3, 1, 0], [-1, -1, 1]])
    known = [(0, 0), (1, 0), (1, 1)]
    losses = [-torch.log_softmax(outputs[t][b], 0)[y[b, t]] for b, t in known]
    assert step_loss(outputs, y).item() == pytest.approx(float(torch.stack(losses).mean()))
    right = [bool(outputs[t][b].argmax() == y[b, t]) for b, t in known]
    assert _share_right(torch.stack(outputs), y) == pytest.approx(sum(right) / 3)


def test_ramp_narrows_to_a_step() -> None:
    assert [ramp_ends(e) for e in (0, 50, 98, 100)] == [(0, 1), (0.25, 0.75), (0.49, 0.51), (0.49, 0.5)]
    clip = Clip()
    clip.lo, clip.hi = ramp_ends(98)
    x = torch.cat([torch.linspace(-1, 0.4899, 100), torch.linspace(0.5101, 2, 100)]).requires_grad_()
    y = clip(x)
    assert torch.equal(y, (x > 0.5).float())
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, ((x - 0.5).abs() < 0.5).float())


def test_pretraining_hands_its_weights_on() -> None:
    done = trained(PipeS(tuning_epochs=0))
    names = [e["phase"] for e in done.history]
    assert names == ["pretrain", "pretrain"]
    assert not any(isinstance(m, Clip) for m in done.network.modules())


def test_pipe_d_trains_only_the_new_layers_at_first() -> None:
    start = plain(PipeD().neuron).state_dict()
    only_new = train(PipeD(frozen_epochs=2), plain, digits(), Schedule(2, 16), 3, start=start).network.state_dict()
    moved = {k for k in start if start[k].is_floating_point() and not torch.equal(start[k], only_new[k])}
    trained_weights = {k for k in moved if "running" not in k}
    assert trained_weights == {"stages.0.0.weight", "head.1.weight", "head.1.bias"}


def test_first_kernels_are_averaged_over_channels() -> None:
    colour, events = (chain(LAYERS, Task((c, 8, 8), 10), PipeD().neuron) for c in (3, 2))
    taken = adapt(colour.state_dict(), events)
    mean = colour.state_dict()["stages.0.0.weight"].mean(1)
    assert torch.allclose(taken["stages.0.0.weight"][:, 1], mean * 3 / 2)
    assert torch.equal(taken["stages.1.0.weight"], colour.state_dict()["stages.1.0.weight"])


def test_weak_classifier_sits_in_the_middle() -> None:
    trainee = Tssd().trainee(plain, Phase("train", 1))
    assert isinstance(trainee, WithWeakClassifier) and trainee.middle == 1


@pytest.mark.parametrize("last_only", [False, True])
def test_grouped_network_unrolls_to_the_same_function(last_only: bool) -> None:
    plan = Plan(channels=(3, 5, 4), last_only=last_only)
    recipe, data = OneStep(), digits(64, "digits-quadrants")
    network = train(recipe, lambda n: GroupNetwork(QUADRANTS, n, plan), data, Schedule(2, 16), 0).network
    flat = unrolled(network)
    with torch.no_grad():
        ours, theirs = (torch.stack(unroll(n, data.x, 2, True)) for n in (network, flat))
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert evaluate(network, data, (1,)).accuracy == evaluate(flat, data, (1,)).accuracy


@pytest.mark.parametrize(("carry", "reaches"), [("spikes", True), ("none", False)])
def test_only_carried_spikes_bring_the_first_group_to_the_last(carry: Any, reaches: bool) -> None:
    data = digits(64, "digits-quadrants")
    plan = Plan(channels=(6, 6, 6), carry=carry, last_only=True)
    network = train(OneStep(), lambda n: GroupNetwork(QUADRANTS, n, plan), data, Schedule(4, 16), 0).network
    changed = data.x.clone()
    changed[:, 0] = 1 - changed[:, 0]
    with torch.no_grad():
        ours, theirs = (unroll(network, x, 1, True)[0] for x in (data.x, changed))
    assert torch.equal(ours, theirs) != reaches


def test_steps_read_early_are_those_of_a_short_run() -> None:
    """Step-wise batch norm: the first two of four steps are a run over two, in training mode too."""
    network = plain(Plain().neuron)
    again = plain(Plain().neuron)
    again.load_state_dict(network.state_dict())
    x = digits(16).x
    assert torch.equal(torch.stack(unroll(network, x, 4, True)[:2]), torch.stack(unroll(again, x, 2, True)))


@pytest.mark.parametrize("form", ["membrane", "spikes"])
def test_residual_forms(form: Any) -> None:
    network = resnet(TASK, Plain().neuron, (4, 8), (2, 1), form=form).eval()
    seen: list[Any] = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _m, _i, y: seen.append(y))
    with torch.no_grad():
        for bn in network.modules():
            if isinstance(bn, torch.nn.BatchNorm2d):
                bn.bias.fill_(0.6)
        unroll(network, torch.rand(3, 1, 8, 8), 2, True)
    most = max(float(y.max()) for y in seen)
    assert most == 1 if form == "membrane" else most > 1


def test_augmentation_moves_images_and_keeps_pixels() -> None:
    x = torch.zeros(64, 1, 8, 8)
    x[:, :, 3, 2] = 1
    y = Augment(crop=2, flip=True)(x, torch.Generator().manual_seed(0))
    assert y.shape == x.shape and torch.equal(y.sum((1, 2, 3)), torch.ones(64))
    rows, columns = (set(torch.nonzero(y[:, 0])[:, axis].tolist()) for axis in (1, 2))
    assert rows == {1, 2, 3, 4, 5} and columns == {0, 1, 2, 3, 4, 5, 6, 7}
    assert torch.equal(Augment()(x, torch.Generator()), x)
