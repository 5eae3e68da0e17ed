"""Target files: what is shipped, and what the reader refuses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from seamount.backends.registry import (
    DEFAULT_BACKEND,
    list_backends,
    list_targets,
    load_backend,
    load_target,
)
from seamount.compiler.errors import ContractError, InputError
from seamount.compiler.target.target import Quantity, Target, UnknownNumber
from seamount.compiler.target.target_file import FIELDS, read_target

FOLDER = Path(__file__).parents[2] / "backends" / "targets"
Edit = Callable[[Callable[[str], str]], Path]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Write loihi1.toml with its text changed; return the path."""

    def write(change: Callable[[str], str]) -> Path:
        before = (FOLDER / "loihi1.toml").read_text()
        after = change(before)
        assert after != before, "the edit changed nothing"
        path = tmp_path / "edited.toml"
        path.write_text(after)
        return path

    return write


def faults(path: Path) -> list[str]:
    """The problems of a file, without its path."""
    with pytest.raises(InputError) as info:
        read_target(path)
    return [str(p).replace(f"{path}: ", "") for p in info.value.problems]


def test_shipped_targets_load() -> None:
    assert list_targets() == ("loihi-sim", "loihi1", "loihi2")
    for name in list_targets():
        assert load_target(name).name == name


def test_the_simulator_is_loihi2_with_a_backend() -> None:
    simulator, chip = load_target("loihi-sim"), load_target("loihi2")
    assert (simulator.chip, simulator.backend) == ("loihi2", DEFAULT_BACKEND)
    assert simulator.quantities == chip.quantities
    assert chip.backend is None


def test_numbers_that_lowering_reads() -> None:
    chip = load_target("loihi2")
    assert (chip.weight_bits, chip.weight_exp, chip.delay_max, chip.decay_max) == (8, (-8, 7), 62, 4095)
    assert (chip.vth_max, chip.bias_mant, chip.bias_exp) == (131071, (-4096, 4095), (0, 7))
    assert chip.graded_payload_bits == 32
    assert all(chip.supports(f) for f in ("reset_subtract", "initial_v", "lower_clamp"))


def test_the_first_generation_differs_where_it_matters() -> None:
    chip = load_target("loihi1")
    assert chip.graded_payload_bits == 0
    assert 7 not in chip.weight_widths
    assert not any(chip.supports(f) for f in ("reset_subtract", "initial_v", "lower_clamp", "microcode"))
    assert chip.value("features.initial_v") is None


def test_every_value_has_a_listed_source() -> None:
    for name in list_targets():
        target = load_target(name)
        for path, quantity in target.quantities.items():
            assert quantity.unit and quantity.source, path
            if quantity.value is not None:
                keys = [part.split(",")[0].strip() for part in quantity.source.split(";")]
                assert set(keys) <= target.sources.keys(), path


def test_no_source_is_listed_in_vain() -> None:
    for name in list_targets():
        target = load_target(name)
        cited = " ".join(q.source for q in target.quantities.values())
        assert [k for k in target.sources if k not in cited] == []


def test_an_unknown_number_is_never_filled_in() -> None:
    chip = load_target("loihi2")
    assert chip.value("core.axons_in") is None
    with pytest.raises(UnknownNumber, match=r"'core\.axons_in' is needed here and unknown: not published"):
        chip.limit("core.axons_in")


def test_accessors_refuse_what_no_target_has() -> None:
    chip = load_target("loihi2")
    with pytest.raises(ContractError, match=r"has no number 'core\.axon_in'"):
        chip.limit("core.axon_in")
    with pytest.raises(ContractError, match="read as one whole number"):
        chip.limit("synapse.weight_exponent")
    with pytest.raises(ContractError, match="read as a list"):
        chip.bounds("core.delay")


def test_quantities_print_with_unit_and_source() -> None:
    assert load_target("loihi1").cite("core.delay") == "loihi1 core.delay = 62 step (davies2018, p. 92)"
    assert str(Quantity(None, "pJ", "not published")) == "unknown (not published)"
    assert str(Quantity(True, "flag", "intel2021")) == "yes (intel2021)"
    assert str(Quantity((-8, 7), "1", "lava")) == "-8, 7 (lava)"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            ', unit = "1", source = "davies2018, p. 89" }',
            ', source = "davies2018, p. 89" }',
            "core.neurons: has no unit",
        ),
        ('"davies2018, p. 89" }', '"" }', "core.neurons: has no source"),
        (
            '"davies2018, p. 89" }',
            '"davis2018" }',
            "core.neurons: cites 'davis2018', which [sources] does not list",
        ),
        ("value = 1024", "value = -1024", "core.neurons: is negative: -1024"),
        ("value = 1024", "value = 1024.5", "core.neurons: is 1024.5"),
        ("value = 1024", "value = true", "core.neurons: is True"),
        ("value = 1024,", "", "core.neurons: has no value"),
        (
            "value = 1024",
            'value = "many"',
            "core.neurons: Expected `bool | int | float | array | null`, got `str`",
        ),
        ("value = 1024", "value = 1024, unknown = true", "core.neurons: has a value and is marked unknown"),
        ("value = 1024", "values = 1024", "core.neurons: Object contains unknown field `values`"),
        ("neurons = { value = 1024", "nuerons = { value = 1024", "core.nuerons: is not a known number"),
        ('value = 1024, unit = "1"', 'value = 1024, unit = "kB"', "core.neurons: has the unit 'kB'"),
        ("value = [-7, 7]", "value = [7, -7]", "synapse.weight_exponent: is (7, -7)"),
        ("value = [1, 2, 3, 4, 5, 6, 8]", "value = [1, 1]", "synapse.weight_widths: is (1, 1)"),
        ("[features]", "[featurs]", "featurs: is not a known field"),
        ('name = "loihi1"', "", "Object missing required field `name`"),
        ("[sources]", "[sources]\nfive = 5", "Expected `str`, got `int` - at `$.sources[...]`"),
        ('title = "Intel', 'title = = "Intel', "is not TOML"),
    ],
)
def test_reader_refuses(edit: Edit, old: str, new: str, message: str) -> None:
    assert any(message in fault for fault in faults(edit(lambda text: text.replace(old, new, 1))))


def test_a_missing_number_must_be_called_unknown(edit: Edit) -> None:
    found = faults(edit(lambda text: re.sub(r"(?m)^delay = .*\n", "", text)))
    assert found == ["core.delay: is missing\n  remedy: write { unknown = true, unit, source = why }"]


def test_all_faults_at_once(edit: Edit) -> None:
    def change(text: str) -> str:
        text = text.replace('value = 1024, unit = "1", source = "davies2018, p. 89"', "value = -1")
        return re.sub(r"(?m)^refractory = .*\n", "", text).replace("[messages]", "[massages]")

    found = [fault.splitlines()[0] for fault in faults(edit(change))]
    assert found == [
        "massages: is not a known field",
        "core.refractory: is missing",
        "messages.graded_payload_bits: is missing",
        "messages.payload_widths: is missing",
        "core.neurons: has no unit",
        "core.neurons: has no source",
        "core.neurons: is negative: -1",
    ]


def test_a_section_that_is_no_table(edit: Edit) -> None:
    found = faults(
        edit(lambda text: re.sub(r"(?ms)^\[messages\]\n.*?\n\n", "", text).replace("[chip]", "messages = 3\n[chip]"))
    )
    assert "messages.graded_payload_bits: is missing" in found[0]


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file or directory"):
        load_target(str(tmp_path / "none.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text in UTF-8"):
        load_target(str(tmp_path / "binary.toml"))
    with pytest.raises(InputError, match="cannot be read"):
        load_target(str(tmp_path) + "/.toml")


def test_aliases(tmp_path: Path) -> None:
    head = 'name = "sim"\ntitle = "t"\n'
    path = tmp_path / "sim.toml"
    path.write_text(head + 'same_as = "sim"\nbackend = "vectorized"\n')
    with pytest.raises(InputError, match="itself an alias"):
        read_target(path)
    path.write_text(head + 'same_as = "absent"\nbackend = "vectorized"\n')
    with pytest.raises(InputError, match=r"absent\.toml: cannot be read"):
        read_target(path)
    path.write_text(head + 'same_as = "loihi1"\n')
    with pytest.raises(InputError, match="missing required field `backend`"):
        read_target(path)
    path.write_text(head + 'same_as = "loihi1"\nbackend = "vectorized"\ndate = "x"\n')
    with pytest.raises(InputError, match="unknown field `date`"):
        read_target(path)


def test_unknown_names() -> None:
    with pytest.raises(InputError, match=r"target 'loihi3': does not exist\n.*loihi-sim, loihi1, loihi2"):
        load_target("loihi3")
    with pytest.raises(InputError, match=r"backend 'chip': does not exist\n.*lava, loihi2, reference, vectorized"):
        load_backend("chip")


def test_a_file_by_path() -> None:
    assert load_target(str(FOLDER / "loihi2.toml")).name == "loihi2"


@pytest.mark.parametrize("name", list_backends())
def test_backends_load(name: str) -> None:
    assert load_backend(name).name == name


def test_readme_lists_every_number() -> None:
    text = (FOLDER / "README.md").read_text()
    for path, (unit, _) in FIELDS.items():
        assert f"| `{path}` | {unit} |" in text


def test_readme_example_is_right() -> None:
    text = (FOLDER / "README.md").read_text()
    example = tomllib.loads(re.findall(r"```toml\n(.*?)```", text, re.S)[0])
    shipped = load_target("loihi1")
    assert example["core"]["neurons"]["value"] == shipped.limit("core.neurons")
    assert isinstance(shipped, Target)
