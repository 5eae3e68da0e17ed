"""What is packed: every package listed, every data file covered, and a wheel that works on its own."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

import seamount

ROOT = Path(__file__).parents[1]
FOLDERS = ("seamount", "compiler", "frontends", "backends", "models")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def tree() -> dict[str, Path]:
    """Package name -> folder, for every folder that holds Python or data."""
    folders = [
        folder
        for top in FOLDERS
        for folder in [ROOT / top, *(p for p in (ROOT / top).rglob("*") if p.is_dir())]
        if folder.name != "__pycache__" and any(f.suffix != ".pyc" for f in folder.iterdir() if f.is_file())
    ]
    return {_dotted(f.relative_to(ROOT).parts): f for f in folders}


def _dotted(parts: tuple[str, ...]) -> str:
    return ".".join(parts if parts[0] == "seamount" else ("seamount", *parts))


def test_list_of_packages_equals_the_tree() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(tree())


def test_every_package_has_an_init_and_the_five_a_typing_mark() -> None:
    assert [name for name, folder in tree().items() if not (folder / "__init__.py").exists()] == []
    assert all((ROOT / folder / "py.typed").exists() for folder in FOLDERS)


def test_every_data_file_is_packed() -> None:
    patterns = SETUPTOOLS["package-data"]
    missing = [
        file.relative_to(ROOT).as_posix()
        for name, folder in tree().items()
        for file in folder.iterdir()
        if file.is_file() and file.suffix not in (".py", ".pyc", ".md")
        and not any(fnmatch.fnmatch(file.name, p) for p in [*patterns["*"], *patterns.get(name, [])])
    ]  # fmt: skip
    assert missing == []


def test_links_for_the_type_checker() -> None:
    for folder in FOLDERS[1:]:
        assert (ROOT / ".layout" / "seamount" / folder).resolve() == ROOT / folder
    for entry in (ROOT / "seamount").iterdir():
        if entry.name != "__pycache__":
            assert (ROOT / ".layout" / "seamount" / entry.name).resolve() == entry


def test_version_is_stated_once() -> None:
    assert PROJECT["project"]["version"] == seamount.__version__


def pins(name: str) -> dict[str, str]:
    """Distribution -> version of a constraints file."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_constraints_cover_what_all_and_dev_name() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *extras["dev"]]
    for extra in re.findall(r"[a-z]+", extras["all"][0].partition("[")[2]):
        wanted += extras[extra]
    names = {re.split(r"[^A-Za-z0-9_-]", w)[0].lower() for w in wanted}
    assert names <= {name.lower() for name in pins("constraints.txt")}


def test_lava_is_pinned() -> None:
    assert pins("constraints-lava.txt")["lava-nc"] == "0.10.0"


def test_nengo_loihi_is_pinned() -> None:
    assert pins("constraints-nengo.txt")["nengo-loihi"] == "1.1.0"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, so that no build folder of an earlier one leaks into it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*FOLDERS, "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / "tree" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / "tree" / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*command, str(folder / "tree")], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_wheel_holds_the_tree(wheel: Path) -> None:
    packed = {n for n in zipfile.ZipFile(wheel).namelist() if n.startswith("seamount/")}
    wanted = {
        _dotted(file.parent.relative_to(ROOT).parts).replace(".", "/") + f"/{file.name}"
        for folder in tree().values()
        for file in folder.iterdir()
        if file.is_file() and file.suffix not in (".pyc", ".md")
    }
    assert packed == wanted


@pytest.mark.slow
def test_wheel_runs_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / "bin"
    python = str(binaries / "python")
    install = [python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(wheel)]
    subprocess.run(install, check=True, cwd=tmp_path)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    for words in (
        ["seamount", "--help"],
        ["seamount", "targets"],
        ["seamount", "passes"],
        ["compile", "--help"],
    ):
        run = subprocess.run(
            [str(binaries / words[0]), *words[1:]], capture_output=True, text=True, cwd=tmp_path, env=clean
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.strip()
    where = [python, "-c", "import seamount.compiler; print(seamount.compiler.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, cwd=tmp_path, env=clean).stdout
    assert found.startswith(str(tmp_path))
