"""A user's script passes mypy --strict, and the results have the types that the documentation says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")
ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("user_script.py")
EXPECTED = [
    "seamount.workflows.load.Model",
    "seamount.workflows.artifact.Artifact",
    "seamount.workflows.run.Run",
    "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]",
    "numpy.ndarray[tuple[Any, ...], numpy.dtype[numpy.float64]]",
    "float | None",
    "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]",
    "dict[str, int]",
    "bool",
    "seamount.compiler.diff.divergence.Divergence | None",
    "int",
    "bool",
    "dict[str, Any]",
    "pathlib.Path",
    "tuple[str, ...]",
    "str",
]


def test_a_users_script(tmp_path: Path) -> None:
    """mypy resolves the editable install through the links of .layout, an installed wheel by itself."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    config = tmp_path / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = true\nmypy_path = {ROOT / '.layout'}\nfollow_imports = silent\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(tmp_path), str(script)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "error:" not in ran.stdout and "Success" in ran.stdout, ran.stdout + ran.stderr
    found = re.findall(r'Revealed type is "(.*)"', ran.stdout)
    assert [plain(f) for f in found] == [plain(e) for e in EXPECTED]


def plain(text: str) -> str:
    """Without the names of modules that mypy gives built-in types."""
    text = re.sub(r"builtins\.|typing\.", "", text)
    return re.sub(r"Union\[(.*), None\]", r"\1 | None", text)
