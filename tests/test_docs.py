"""The documentation holds: examples in docstrings run, quoted commands exist, links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main

ROOT = Path(__file__).parents[1]
FOLDERS = ("compiler", "frontends", "backends", "models")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", *(f"{folder}/**/*.md" for folder in FOLDERS))
    for path in ROOT.glob(pattern)
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """Markdown without fenced blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"(?ms)^ *```.*?^ *```", "", text))


def shell_lines(path: Path) -> list[str]:
    """Lines of the shell blocks of a document; a backslash continues a line, a prompt is dropped."""
    blocks = re.findall(r"(?ms)^ *```(?:sh|bash|console)\n(.*?)^ *```", path.read_text(encoding="utf-8"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(blocks))
    return [line.strip().removeprefix("$ ") for line in joined.splitlines()]


def test_examples_in_docstrings() -> None:
    for path in (p for p in MODULES if ">>>" in p.read_text(encoding="utf-8")):
        module = import_module("seamount." + ".".join(path.relative_to(ROOT).with_suffix("").parts))
        result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert result.attempted > 0 and result.failed == 0, name_of(path)


def anchors(path: Path) -> set[str]:
    """Anchors that a viewer makes from headings."""
    headings = re.findall(r"(?m)^#+ (.*)$", re.sub(r"(?ms)^ *```.*?^ *```", "", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links(path: Path) -> None:
    broken = []
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", without_code(path.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_files_named_in_documents_exist(path: Path) -> None:
    """A path in backticks that begins with one of our folders is a file of the tree."""
    tops = (*FOLDERS, "docs", "tests", ".ci")
    quoted = re.findall(r"`([\w./-]+/[\w./-]+\.(?:py|md|toml|pt|nir|txt))`", path.read_text(encoding="utf-8"))
    missing = [q for q in quoted if q.split("/")[0] in tops and not (ROOT / q).exists()]
    assert missing == []


def command_line() -> Any:
    from seamount.cli.app import app

    return typer.main.get_command(app)


def command_faults(words: list[str], commands: dict[str, Any]) -> list[str]:
    """What is wrong with a quoted call of `seamount` or `compile`."""
    program, *rest = words
    if Path(program).name == "compile":
        rest = ["compile", *rest]
    if not rest or rest[0].startswith("-"):
        return []
    if rest[0] not in commands:
        return [f"no command {rest[0]}"]
    options = {o for p in commands[rest[0]].params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    given = [word.partition("=")[0] for word in rest[1:] if re.match(r"--?[a-zA-Z]", word)]
    return [f"{rest[0]} has no option {option}" for option in given if option not in options]


def quoted_calls(path: Path) -> list[list[str]]:
    """Calls of our programs in shell blocks, up to a pipe, a comment or a redirection."""
    calls = []
    for line in shell_lines(path):
        if re.match(r"(\S*/)?(seamount|compile)\s", line):
            calls.append(shlex.split(re.split(r"\s[|>&;]", line)[0], comments=True))
    return calls


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if quoted_calls(p)], ids=name_of)
def test_quoted_commands_exist(path: Path) -> None:
    commands = command_line().commands
    faults = [f"{shlex.join(c)}: {f}" for c in quoted_calls(path) for f in command_faults(c, commands)]
    assert faults == []


def test_the_command_rule_can_fail() -> None:
    commands = command_line().commands
    assert command_faults(["seamount", "fly"], commands) == ["no command fly"]
    assert command_faults(["compile", "m.pt", "--bogus", "3"], commands) == ["compile has no option --bogus"]


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in command_line().commands if f"`seamount {name}" not in text] == []


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^([a-z]+):", text))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_quoted_make_targets_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    quoted = re.findall(r"`make ([a-z]+)", text) + [
        line.split()[1] for line in shell_lines(path) if line.startswith("make ")
    ]
    assert set(quoted) <= make_targets()


def test_no_path_of_somebody_s_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"(?<![\w.])/(?:root|home|Users|work|opt/wheels)/")
    texts = [ROOT / n for n in listed.stdout.splitlines() if Path(n).suffix in ("", ".py", ".md", ".toml", ".txt")]
    found = [name_of(p) for p in texts if p.is_file() and pattern.search(p.read_text(encoding="utf-8"))]
    assert [name for name in found if name != "tests/test_docs.py"] == []
