"""Plug-ins: the example package, installed and used, and what happens to packages that are broken or clash."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from seamount.backends import registry
from seamount.compiler import passes, plugins
from seamount.compiler.errors import InputError

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "plugin-example"
PIPELINE = (
    "infer-shapes,fold-batchnorm,fold-linear,prune-weights{fraction=0.01},"
    "normalise-neurons,fold-threshold,quantize,balance-delays"
)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts of a fresh environment that sees this one's packages, with the example installed by pip."""
    place = tmp_path_factory.mktemp("plugin")
    venv.create(place / "venv")
    bin_ = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = place / "venv" / "lib" / version / "site-packages"
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in site.getsitepackages()]
    (packages / "outer.pth").write_text("".join(lines), encoding="utf-8")
    shutil.copytree(EXAMPLE, place / "source")
    command = [sys.executable, "-m", "pip", "--python", str(bin_ / "python"), "install", "--quiet", "--no-deps",
               "--no-build-isolation", "--no-index", str(place / "source")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return bin_


def seamount(scripts: Path, *words: str, folder: Path | None = None) -> str:
    code = "import sys; from seamount.cli import main; sys.exit(main())"
    command = [str(scripts / "python"), "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_is_listed(scripts: Path) -> None:
    assert "example-chip" in seamount(scripts, "targets")
    assert "14 step (example)" in seamount(scripts, "targets", "example-chip")
    listed = seamount(scripts, "passes")
    assert "prune-weights" in listed and "broken" not in listed


def test_the_example_runs(scripts: Path, tmp_path: Path) -> None:
    model = str(ROOT / "models" / "weights" / "digits-dense.pt")
    seamount(scripts, "compile", model, "--target", "example-chip", "--pipeline", PIPELINE, "-o", "net", "-q",
             folder=tmp_path)  # fmt: skip
    manifest = json.loads((tmp_path / "net" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["target"]["name"] == "example-chip"
    assert "prune-weights{fraction=0.01}" in manifest["passes"] and "delay-max=14" in manifest["pipeline"]
    answers = []
    for backend in ("counted", "reference"):
        out = f"{backend}.json"
        seamount(scripts, "run", "net", "--data", "digits", "--limit", "20", "--backend", backend, "--json", out,
                 "-q", folder=tmp_path)  # fmt: skip
        answers.append(json.loads((tmp_path / out).read_text(encoding="utf-8")))
    assert answers[0]["backend"] == "counted" and answers[0]["accuracy"] == answers[1]["accuracy"] > 0.8


class Package:
    """Stands for the distribution of an entry point."""

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """Entry points that seem to be installed; filled by the test."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr(plugins, "entry_points", lambda group: [e for e in entries if e.group == group])
    plugins.plugins.cache_clear()
    yield entries
    plugins.plugins.cache_clear()


def entry(group: str, name: str, value: str, package: str) -> EntryPoint:
    made = EntryPoint(name, value, group)
    vars(made)["dist"] = Package(package)
    return made


def refusal(ask: object, name: str) -> str:
    assert callable(ask)
    with pytest.raises(InputError) as caught:
        ask(name)
    return str(caught.value)


def test_a_broken_plug_in_is_named_when_it_is_asked_for(installed: list[EntryPoint]) -> None:
    installed += [
        entry("seamount.backends", "lost", "no_such_module:Backend", "lost-package"),
        entry("seamount.passes", "gone", "no_such_module:Gone", "gone-package"),
        entry("seamount.targets", "chips", "no_such_module", "chip-package"),
    ]
    assert registry.load_backend("reference").name == "reference"
    assert registry.load_target("loihi2").name == "loihi2" and len(registry.sound_targets()) == 3
    text = refusal(registry.load_backend, "lost")
    assert text == (
        "backend 'lost' of package lost-package: cannot be imported: ModuleNotFoundError: No module named "
        "'no_such_module'\n  remedy: repair or uninstall lost-package"
    )
    assert "pass 'gone' of package gone-package: cannot be imported" in refusal(passes.pass_class, "gone")
    assert "target 'chips' of package chip-package: cannot be imported" in refusal(registry.load_target, "chips")
    assert [p.where for p in registry.plugin_faults()] == [
        "backend 'lost' of package lost-package",
        "target 'chips' of package chip-package",
    ]
    assert "gone" not in passes.sound_passes() and len(passes.pass_faults()) == 1


def test_a_name_that_is_taken_is_refused_with_both_owners(installed: list[EntryPoint]) -> None:
    installed += [
        entry("seamount.backends", "cpu", "seamount.backends.simulator.reference:ReferenceSimulator", "rival"),
        entry("seamount.backends", "twice", "a:B", "one"),
        entry("seamount.backends", "twice", "a:B", "two"),
        entry("seamount.targets", "again", "seamount.backends.targets", "copier"),
        entry("seamount.passes", "quantize", "seamount.compiler.passes.quantize:Quantize", "rival"),
    ]
    text = "backend 'cpu': is the name of one each from Seamount and rival\n  remedy: uninstall or rename: rival"
    assert refusal(registry.load_backend, "cpu") == text
    assert "from one and two" in refusal(registry.load_backend, "twice")
    assert "target 'loihi2': is the name of one each from Seamount and copier" in refusal(
        registry.load_target, "loihi2"
    )
    assert "pass 'quantize': is the name of one each from Seamount and rival" in refusal(passes.pass_class, "quantize")
    assert registry.load_backend("reference").name == "reference"
    assert {p.where for p in registry.plugin_faults()} >= {"backend 'cpu'", "backend 'twice'", "target 'loihi2'"}


def test_what_is_no_backend_and_no_pass_is_refused(installed: list[EntryPoint]) -> None:
    installed += [
        entry("seamount.backends", "odd", "collections:Counter", "odd-package"),
        entry("seamount.passes", "odd", "collections:Counter", "odd-package"),
        entry("seamount.passes", "other", "seamount.compiler.passes.quantize:Quantize", "odd-package"),
    ]
    assert "is no backend of the name 'odd'" in refusal(registry.load_backend, "odd")
    assert "is not a subclass of Pass" in refusal(passes.pass_class, "odd")
    assert "calls itself 'quantize'" in refusal(passes.pass_class, "other")


def test_frontends(installed: list[EntryPoint]) -> None:
    torch = pytest.importorskip("torch")
    from seamount.frontends.frameworks.framework import find_framework, framework_names

    installed += [
        entry("seamount.frontends", "torch", "no_such_module", "torch-frontend"),
        entry("seamount.frontends", "other", "collections", "other-frontend"),
    ]
    assert framework_names()[-2:] == ("other", "torch")
    with pytest.raises(InputError, match="frontend 'torch' of package torch-frontend: cannot be imported"):
        find_framework(torch.nn.Linear(2, 2))
    with pytest.raises(InputError, match="is no Framework of the name 'other'"):
        find_framework(torch.nn.Linear(2, 2), "other")
