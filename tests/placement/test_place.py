"""Placing: what is stated, what weighs the traffic, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seamount.backends.registry import load_system, load_target
from seamount.compiler.errors import CompileError, InputError
from seamount.compiler.execution import EventCounts
from seamount.compiler.placement.as_json import tree
from seamount.compiler.placement.check import check
from seamount.compiler.placement.place import place
from seamount.compiler.placement.plan import DoesNotFit, plan
from tests.placement.networks import dense_chain, layered, six_violations
from tests.placement.targets import chip, system


def counts(**sent: object) -> EventCounts:
    return EventCounts(1, 1, {}, {}, {k: np.asarray(v) for k, v in sent.items()}, {})


def test_the_same_network_is_placed_the_same() -> None:
    program, target, grid = layered(8, 16, 3), chip("loihi1", core_neurons=128), system(3, 2, 16)
    first, second = (json.dumps(tree(place(program, target, grid))) for _ in range(2))
    assert first == second


def test_small_populations_share_a_core() -> None:
    placement = place(dense_chain(10, 20, 20, 5), load_target("loihi1"))
    assert len(placement.loads) == 1 and placement.spike_hops == 0
    assert placement.projections["layer0->layer1"].within_core == 20


def test_neurons_can_be_spread() -> None:
    program, target = dense_chain(10, 64, 64), load_target("loihi1")
    placement = place(program, target, neurons_per_core=16)
    assert len(placement.loads) == 8 and max(load.neurons for load in placement.loads) == 16
    assert check(program, placement, target) == ()


def test_a_wide_layer_is_cut_to_fit_the_axons_of_its_sources() -> None:
    """4,000 neurons that each reach many cores leave room for few of them on one core."""
    program, target = dense_chain(64, 500, 900), load_target("loihi1")
    slices = plan(program, target).partition.slices
    assert slices["layer1"].blocks.count > 3
    assert int(slices["layer0"].loads["axons_out"].max()) <= 4096


def test_measured_spikes_weigh_the_routes() -> None:
    """The pair of slices that talks most comes to lie in one tile."""
    program, target = dense_chain(4, 32, 32), chip("loihi1", core_neurons=8, chip_tile_cores=2, chip_tile_rows=8)
    sent = np.zeros(32, np.int64)
    sent[8:16] = 1000
    placement = place(program, target, traffic=counts(layer0=sent, layer1=np.zeros(32, int)))
    assert placement.measured and placement.projections["layer0->layer1"].messages == 4 * 8000
    assert placement.projections["layer0->layer1"].within_tile >= 8000
    assert check(program, placement, target, None, counts(layer0=sent, layer1=np.zeros(32, int))) == ()


def test_a_run_of_another_network_is_refused() -> None:
    with pytest.raises(InputError, match="population 'layer0': has no matching counts in the run"):
        place(dense_chain(4, 32, 32), load_target("loihi1"), traffic=counts(layer0=[1, 2]))


def test_a_system_of_other_chips_is_refused() -> None:
    with pytest.raises(CompileError, match="is made of loihi2, the target is loihi1"):
        place(dense_chain(4, 4), load_target("loihi1"), load_system("hala-point"))


def test_a_system_with_more_cores_than_tiles_is_refused() -> None:
    with pytest.raises(CompileError, match="has 200 cores per chip, the target's tiles hold 128"):
        place(dense_chain(4, 4), load_target("loihi1"), system(1, 1, 200))


def test_every_limit_that_does_not_hold_is_raised() -> None:
    with pytest.raises(DoesNotFit) as info:
        place(six_violations(), load_target("loihi1"))
    assert len(info.value.problems) == 6


def test_chips_fill_by_their_neurons_too() -> None:
    target = chip("loihi1", core_neurons=64, chip_neurons=256)
    made = plan(layered(4, 16, 2), target, system(4, 4, 16))
    assert made.chips == 8 and not made.excesses


def test_a_checker_that_can_fail() -> None:
    """Every kind of tampering with a placement is found."""
    from dataclasses import replace

    program, target = dense_chain(10, 64, 64), load_target("loihi1")
    sound = place(program, target, neurons_per_core=16)
    first = sound.loads[0]
    slices = sound.slices
    tampered = {
        "hold each neuron once": replace(sound, slices=slices[1:]),
        "on core 999": replace(sound, slices=(replace(slices[0], core=999), *slices[1:])),
        "axons_in is": replace(sound, loads=(replace(first, axons_in=1), *sound.loads[1:])),
        "other cores than": replace(sound, loads=sound.loads[1:]),
        "fewer than the lower bound": replace(sound, lower_bound=10**9),
        "hops_east_west is": replace(
            sound, projections={n: replace(t, hops_east_west=77) for n, t in sound.projections.items()}
        ),
        "east carries": replace(sound, links=replace(sound.links, east=sound.links.east + 1)),
    }
    for found, placement in tampered.items():
        assert any(found in str(p) for p in check(program, placement, target)), found


def test_the_checker_knows_every_limit() -> None:
    """A sound placement on a smaller chip: the checker names each limit that no longer holds."""
    program, target = layered(4, 12, 2), chip("loihi1", core_neurons=200)
    placement = place(program, target)
    for path, name in (
        ("core_neurons", "neurons"), ("core_synaptic_memory", "synaptic_bytes"), ("core_memory", "memory_bytes"),
        ("core_axons_in", "axons_in"), ("core_axons_out", "axons_out"), ("core_synapse_formats", "formats"),
        ("core_decay_profiles", "decay_profiles"), ("core_threshold_profiles", "threshold_profiles"),
        ("core_dendritic_accumulators", "accumulators"), ("core_destination_groups", "groups"),
        ("core_synapse_words_per_axon", "list_words"), ("chip_neurons", "neurons"), ("chip_synapses", "stored"),
    ):  # fmt: skip
        faults = [str(p) for p in check(program, placement, chip("loihi1", **{path: 0}))]
        assert any(f"{name} is" in f and "over" in f for f in faults), path
