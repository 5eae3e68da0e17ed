"""Cost sets: what is shipped, and that every fault of a file is reported."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seamount.backends.registry import costs_of, list_costs, load_costs
from seamount.compiler.energy.cost_file import MODELS, read_costs
from seamount.compiler.energy.cost_set import BARRIERS, CHIP_EVENTS, OPERATIONS
from seamount.compiler.errors import InputError

FOLDER = Path(__file__).parents[2] / "backends" / "costs"
Edit = Callable[[Callable[[str], str]], Path]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """A copy of davies2018.toml with its text changed."""

    def changed(change: Callable[[str], str]) -> Path:
        path = tmp_path / "set.toml"
        path.write_text(change((FOLDER / "davies2018.toml").read_text()))
        return path

    return changed


def faults(path: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_costs(path)
    return [str(problem).removeprefix(f"{path}: ") for problem in caught.value.problems]


@pytest.mark.parametrize("name", list_costs())
def test_shipped_sets_load_and_cite_listed_sources(name: str) -> None:
    found = load_costs(name)
    assert found.name == name
    for section, names in MODELS[found.model].items():
        costs = getattr(found, section)
        assert set(costs) in (set(names), set())
        for cost in costs.values():
            if cost.known:
                assert 0 <= cost.ends[0] <= cost.ends[1]
                keys = {part.split(",")[0].strip() for q in (cost.low, cost.high) for part in q.source.split(";")}
                assert all(k in found.sources or "does not price it" in k for k in keys)
            else:
                assert cost.low.source, "an unknown cost says why"


def test_published_numbers() -> None:
    table = load_costs("davies2018").energy
    assert [table[n].ends[0] for n in ("synapse_dense", "neuron_active", "neuron_inactive")] == [23.6, 81, 52]
    assert load_costs("davies2018").power["static_per_chip"].ends == (104, 104)
    assert not table["axon_out"].known
    assert load_costs("45nm-fp32").energy["mac_float32"].ends == (4.6, 4.6)
    assert load_costs("45nm-fp32").energy["accumulate"].ends == (0.9, 0.9)
    assert load_costs("gpu-a100").energy["mac_float32"].ends == (41.0, math.inf)
    assert pytest.approx(41.0, abs=0.05) == 400e12 / (19.5e12 / 2), "pJ: W / (MAC/s)"
    assert pytest.approx(1.28, abs=0.005) == 400e12 / (624e12 / 2)
    assert pytest.approx(215.9, abs=0.05) == 105e12 / (4 * 3.8e9 * 2 * 16)


def test_nothing_is_known_of_loihi_2() -> None:
    found = load_costs("loihi2")
    assert not any(c.known for section in (found.energy, found.time, found.power) for c in section.values())


def test_a_bracket_reaches_over_its_members() -> None:
    both, low, high = load_costs("loihi1"), load_costs("davies2018"), load_costs("sanafe")
    assert both.members == ("davies2018", "sanafe")
    assert both.energy["synapse_dense"].ends == (23.6, 35.5)
    assert both.energy["neuron_inactive"].ends == (51.2, 52)
    assert both.energy["spike"].ends == (0, 69.3), "table 2 may contain it in another number"
    assert both.energy["spike"].low.source == "davies2018 does not price it"
    for member in (low, high):
        for name, cost in member.energy.items():
            if cost.known:
                assert both.energy[name].ends[0] <= cost.ends[0] <= cost.ends[1] <= both.energy[name].ends[1]


def test_defaults_of_chips() -> None:
    assert [c.name if (c := costs_of(chip)) else None for chip in ("loihi1", "loihi2", "other")] == [
        "loihi1",
        "loihi2-pilotnet",
        None,
    ]


def test_the_measured_network_is_priced_as_it_was_measured() -> None:
    """PilotNet-LIF on Loihi 2: three runs of the public notebook (commits 76c8fbb, baa23ad, b9e3691), 16 steps a frame,
    2.29 million synaptic operations a step, 151,000 of them on the busiest core; read off a plot within 5 %."""
    costs = load_costs("loihi2-pilotnet")
    low, high = costs.energy["synapse_conv"].ends
    read = np.array([0.95, 1, 1.05]) * 2.29e6 * 16
    for measured in (0.562e9, 1.071e9, 1.094e9):  # pJ a frame, dynamic
        assert np.all((read * low <= measured * 1.05) & (measured * 0.95 <= read * high))
        assert low * 2.29e6 * 16 <= measured <= high * 2.29e6 * 16
    least, most = costs.time["synapse_conv"].ends
    assert least * 151e3 <= 152.8e3 <= most * 151e3 + 200
    assert costs.power["static_per_chip"].ends == (178, 309)
    everything_else = [c for name, c in costs.energy.items() if not name.startswith("synapse")]
    assert all(c.ends == (0, 0) and "folded" in c.low.conditions for c in everything_else)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 23.6", "value = nan", "energy.synapse_dense: is nan"),
        ("value = 23.6", "value = -23.6", "energy.synapse_dense: is negative"),
        ("value = 23.6", "value = inf", "energy.synapse_dense: is inf"),
        ("value = 23.6", "value = [3, 2]", "energy.synapse_dense: is [3, 2]"),
        ("value = 23.6", "value = [-3, 2]", "energy.synapse_dense: is negative"),
        ("value = 23.6", "value = [1, 2, 3]", "energy.synapse_dense: is [1, 2, 3]"),
        ("value = 23.6", 'value = ["a", 2]', "energy.synapse_dense: is ['a', 2]"),
        ("value = 23.6", "value = [nan, 2]", "energy.synapse_dense: is [nan, 2]"),
        ('value = 23.6, unit = "pJ"', 'value = 23.6, unit = "nJ"', "has the unit 'nJ'"),
        ('unit = "pJ", source = "davies2018, table 2"', 'unit = "pJ", source = ""', "has no source"),
        ("davies2018, table 2", "davis, table 2", "cites 'davis', which [sources] does not list"),
        ("synapse_dense", "synapse_dens", "energy.synapse_dens: is not a known cost"),
        ("[power]", "[powr]", "powr: is not a known field"),
        ("[power]\n", "[power.static_per_chip]\n", "power.static_per_chip: Object contains unknown field"),
        ('model = "events"', 'model = "guess"', "Invalid enum value 'guess'"),
        ('name = "davies2018"', "", "Object missing required field `name`"),
        ('name = "davies2018"', "name = = 3", "is not TOML"),
        ('name = "davies2018"', 'bracket = ["davies2018"]', "unknown field"),
    ],
)
def test_reader_refuses(edit: Edit, old: str, new: str, message: str) -> None:
    assert any(message in fault for fault in faults(edit(lambda text: text.replace(old, new, 1))))


def test_all_faults_at_once(edit: Edit) -> None:
    def change(text: str) -> str:
        text = text.replace("value = 81", "value = -1").replace("value = 8.4", 'value = "x"')
        return re.sub(r"(?m)^hop_east_west = .*\n", "", text)

    found = faults(edit(change))
    assert len(found) == 4
    assert found[0] == "energy.hop_east_west: is missing\n  remedy: write { unknown = true, unit, source = why }"


def test_brackets_name_plain_sets(tmp_path: Path) -> None:
    head = 'name = "b"\ntitle = "t"\ndate = "d"\n'
    for name in ("davies2018", "sanafe", "loihi1", "45nm"):
        shutil.copy(FOLDER / f"{name}.toml", tmp_path)
    path = tmp_path / "b.toml"
    for members in ('["sanafe"]', '["sanafe", "45nm"]', '["sanafe", "loihi1"]'):
        path.write_text(f"{head}bracket = {members}\n")
        assert "name two or more plain sets of the model events" in faults(path)[0]
    path.write_text(f'{head}bracket = ["sanafe", "absent"]\n')
    with pytest.raises(InputError, match="cannot be read"):
        read_costs(path)


def test_unknown_names() -> None:
    with pytest.raises(InputError, match=r"cost 'horowitz': does not exist\n.*45nm, 45nm-fp32, 45nm-memory"):
        load_costs("horowitz")


def test_readme_lists_every_cost_and_set() -> None:
    text = (FOLDER / "README.md").read_text()
    for names in (CHIP_EVENTS, OPERATIONS, BARRIERS):
        for name, meaning in names.items():
            assert re.search(rf"(?m)^\| `{name}` \|.* {re.escape(meaning)} \|$", text), name
    assert all(f"`{name}`" in text for name in list_costs())
