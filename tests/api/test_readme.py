"""The script of the README, copied out and run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
