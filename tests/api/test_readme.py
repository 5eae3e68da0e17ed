"""The script and the `.nir` commands of the README, copied out and run as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frontends.net_files import NETWORKS, write_net

pytest.importorskip("snntorch", reason="the README's script uses snnTorch: pip install 'seamount[snntorch]'")
README = Path(__file__).parents[2] / "README.md"


def test_the_script_of_the_readme_runs(tmp_path: Path) -> None:
    section = README.read_text(encoding="utf-8").partition("## In Python")[2].partition("\n## ")[0]
    (script,) = re.findall(r"(?ms)^```python\n(.*?)^```", section)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    command = [sys.executable, "-W", "error", "script.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "True (100, 20, 10)" in ran.stdout and "fits: " in ran.stdout and "check of " in ran.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.html", "net.seamount", "script.py"]
    lines = [line for line in script.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 12


def write_nir(preset: str, path: Path) -> None:
    """A network of each framework, as its own exporter writes it."""
    nir, torch = pytest.importorskip("nir"), pytest.importorskip("torch")
    if preset == "snntorch":
        from snntorch import Leaky
        from snntorch.export_nir import export_to_nir

        one, two = (Leaky(beta=torch.full((n,), 0.9), threshold=torch.ones(n), init_hidden=True) for n in (8, 3))
        model = torch.nn.Sequential(torch.nn.Linear(10, 8), one, torch.nn.Linear(8, 3), two)
        graph = export_to_nir(model, torch.rand(10))
    else:
        norse = pytest.importorskip("norse.torch")
        from norse.torch.utils.export_nir import to_nir

        def cell(n: int) -> torch.nn.Module:
            values = {"tau_mem_inv": 100.0, "v_leak": 0.0, "v_th": 1.0, "v_reset": 0.0}
            return norse.LIFBoxCell(norse.LIFBoxParameters(**{k: torch.full((n,), x) for k, x in values.items()}))

        layers = [torch.nn.Linear(10, 8), cell(8), torch.nn.Linear(8, 3), cell(3)]
        graph = to_nir(norse.SequentialState(*layers), torch.rand(1, 10))
    nir.write(path, graph)


def test_the_nir_commands_of_the_readme_run(tmp_path: Path) -> None:
    section = README.read_text(encoding="utf-8").partition("## You have a .nir file")[2].partition("\n## ")[0]
    lines = re.findall(r"(?m)^seamount .*$", section)
    assert [line.split()[1] for line in lines] == ["check-import", "compile", "compile", "compile"]
    write_net(tmp_path / "network.net", NETWORKS["two dense layers"](), None)
    for line in lines:
        words = shlex.split(line)[1:]
        if "--assume" in words:
            write_nir(words[words.index("--assume") + 1], tmp_path / "net.nir")
        command = [sys.executable, "-c", "import sys; from seamount.cli import main; sys.exit(main())", *words]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert sorted(p.name for p in (tmp_path / "build").iterdir()) == ["net", "network", "norse"]
