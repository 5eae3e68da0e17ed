"""System files: what is shipped, and what the reader refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from seamount.backends.registry import list_systems, load_system, load_target
from seamount.compiler.errors import CompileError, InputError
from seamount.compiler.target.system import one_chip
from seamount.compiler.target.system_file import read_system
from tests.cli.running import call

FOLDER = Path(__file__).parents[2] / "backends" / "systems"


def test_shipped_systems_load() -> None:
    assert list_systems() == ("hala-point", "kapoho-bay", "kapoho-point", "nahuku", "pohoiki-springs")
    for name in list_systems():
        system = load_system(name)
        assert system.name == name and load_target(system.chip).chip == system.chip
        cited = " ".join(q.source for q in system.quantities.values())
        assert [key for key in system.sources if key not in cited] == []


def test_hala_point_is_as_published() -> None:
    system = load_system("hala-point")
    chips, cores = system.limit("system.chips"), system.limit("system.cores_per_chip")
    assert (chips, chips * cores) == (1152, 140544)
    assert system.cite("system.chips") == "hala-point system.chips = 1152 (intel2024)"


def test_an_arrangement_that_nobody_published_says_so() -> None:
    for name in list_systems():
        assert load_system(name).quantities["system.columns"].terms.startswith("assumed: a grid of")


def test_one_chip_is_a_system() -> None:
    system = one_chip(load_target("loihi1"))
    assert (system.limit("system.chips"), system.limit("system.cores_per_chip")) == (1, 128)


def test_an_unknown_number_is_never_filled_in() -> None:
    with pytest.raises(CompileError, match=r"'system\.power' is needed here and unknown: not published"):
        load_system("nahuku").limit("system.power")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('chip = "loihi2"\n', "", "missing required field `chip`"),
        ("columns = {", "colums = {", "system.colums: is not a known number"),
        ("columns = {", "colums = {", "system.columns: is missing"),
        ("value = 1152,", "value = 1151,", "arranges 1151 chips as 36 x 32"),
        ('unit = "W"', 'unit = "mW"', "has the unit 'mW'"),
        ('source = "intel2024"', 'source = "intel2025"', "cites 'intel2025', which [sources] does not list"),
        ("[system]", "[sistem]", "sistem: is not a known field"),
        ("[system]", "[[system]]", "system: is not a table"),
        ("value = 122,", "value = -122,", "is negative"),
    ],
)
def test_reader_refuses(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / "hala-point.toml").read_text()
    assert old in text
    path = tmp_path / "edited.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as info:
        read_system(path)
    assert any(message in str(p) for p in info.value.problems)


def test_a_name_that_is_none() -> None:
    with pytest.raises(InputError, match=r"system 'moon': does not exist\n  remedy: one of hala-point, kapoho-bay"):
        load_system("moon")


def test_the_command_shows_a_system_with_its_sources() -> None:
    ran = call(["targets", "hala-point"])
    assert ran.code == 0 and "assumed: a grid of 36 x 32" in ran.out and "intel2024: Intel newsroom" in ran.out
    assert "pohoiki-springs" in call(["targets"]).out
