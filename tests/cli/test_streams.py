"""What reaches the terminal: no control sequence, no markup, no broken pipe, whatever the names are."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from seamount.cli import console
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.visible import visible
from seamount.results.blocks import as_html, as_text, print_to, table

HOSTILE = "a\x1b[31m\x9b2J\x07\u202eb\r\ud800[/x][red]c:smile:\\"
SHOWN = r"a\x1b[31m\x9b2J\x07\u202eb\r\ud800[/x][red]c:smile:" + "\\"
RUN = "from seamount.cli import main; import sys; sys.argv[0] = 'seamount'; main()"


def test_visible() -> None:
    assert visible(HOSTILE) == SHOWN
    assert visible("Grüße\t日本\n") == "Grüße\t日本\n"


def test_tables_and_lines() -> None:
    blocks = [HOSTILE, table(HOSTILE, (HOSTILE, "n"), [(HOSTILE, HOSTILE)])]
    assert as_text(blocks).count(SHOWN) == 5
    assert "\x1b" not in as_html(blocks)
    stream = io.StringIO()
    print_to(Console(file=stream, width=400, force_terminal=False), blocks)
    assert stream.getvalue().count(SHOWN) == 5


def refuse() -> None:
    raise InputError(Problem(HOSTILE, "x" * 300, "none"))


def fail() -> None:
    raise OSError(2, "gone", "/" + "long/" * 60 + ".net.0123abcd.draft/file")


def test_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.guarded(refuse) == 2
    assert f"error {SHOWN}: {'x' * 300}\n" in capsys.readouterr().err
    assert console.guarded(fail) == 2
    assert capsys.readouterr().err == f"error /{'long/' * 60}net/file: gone\n"


def command(shell: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f'set -o pipefail; run() {{ "{sys.executable}" -c "{RUN}" "$@"; }}; {shell}'],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("shell", "code"),
    [
        ("run targets | true", 0),
        ("run --help | true", 0),
        ("run targets >&-", 0),
        ("run targets >&- 2>&-", 0),
        ("run inspect nothing.pt 2>&-", 2),
        ("PYTHONIOENCODING=ascii run inspect 日本.pt", 2),
    ],
)
def test_streams_that_cannot_be_written(shell: str, code: int, tmp_path: Path) -> None:
    ran = command(f"cd {tmp_path}; {shell}")
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
