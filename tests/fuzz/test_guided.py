"""Fuzzing that is guided by coverage: an input that reaches new lines of a reader is kept, and changed further.

Lines are seen by sys.settrace in the reader's own files; a run is deterministic by its seed. The rule is that of
test_formats.py: SeamountError or accepted, and what is accepted means the same on every engine.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from seamount.compiler.errors import ContractError, SeamountError
from seamount.compiler.files import digest
from tests.frontends.test_hostile_files import DATA
from tests.fuzz import mutate
from tests.fuzz.formats import BUILDERS, FORMATS, agree, model_bytes, save_small
from tests.test_artifact import small_artifact

ROOT = Path(__file__).parents[2]
Line = tuple[str, int]
Tree = dict[str, bytes]
"""Files of an input: name -> bytes."""


@dataclass(frozen=True)
class Reader:
    """name: of the format. starts: valid inputs. place: write one into an empty folder. files: watched, by their
    beginnings."""

    name: str
    starts: Callable[[], list[Tree]]
    place: Callable[[Tree, Path], Path]
    files: tuple[str, ...]


def _one_file(name: str) -> Callable[[Tree, Path], Path]:
    def place(tree: Tree, folder: Path) -> Path:
        (folder / name).write_bytes(tree[name])
        return folder / name

    return place


def _artifact(tree: Tree, folder: Path) -> Path:
    """The digests put right, so that what lies behind them is reached."""
    for name, data in tree.items():
        (folder / name).write_bytes(data)
    try:
        manifest = json.loads(tree["manifest.json"])
        manifest["digests"] = {name: digest(folder / name) for name in tree if name != "manifest.json"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    except (ValueError, TypeError, KeyError):
        pass
    return folder


def _artifact_starts() -> list[Tree]:
    return [save_small()]


NETWORK_FILES = ("frontends/nir/", "frontends/hdf5/")
READERS = (
    Reader(
        "nir",
        lambda: [{"net.nir": data} for data in DATA.values()],
        _one_file("net.nir"),
        NETWORK_FILES,
    ),
    Reader(
        "artifact", _artifact_starts, _artifact, ("compiler/program/", "compiler/artifact.py", "compiler/manifest.py")
    ),
    Reader(
        "model",
        lambda: [{"m.pt": model_bytes()}],
        _one_file("m.pt"),
        ("frontends/model_file/", *NETWORK_FILES),
    ),
)


@dataclass
class Search:
    """kept: inputs that reached lines which none before them did."""

    reader: Reader
    folder: Path
    rng: random.Random
    kept: list[Tree] = field(default_factory=list)
    lines: set[Line] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)
    escaped: list[str] = field(default_factory=list)

    def run(self, inputs: int) -> None:
        for tree in self.reader.starts():
            assert self.attempt(tree) == "accepted"
            self.kept.append(tree)
        for number in range(inputs):
            # the latest findings first, since they are least explored
            tree = self.kept[-1 - int(self.rng.expovariate(1 / 8)) % len(self.kept)]
            changed = self.changed(tree)
            before = len(self.lines)
            found = self.attempt(changed)
            self.counts[found] = self.counts.get(found, 0) + 1
            if found not in ("accepted", "refused"):
                self.escaped.append(f"{self.reader.name} {number}: {found}")
            if len(self.lines) > before:
                self.kept.append(changed)

    def changed(self, tree: Tree) -> Tree:
        """One file changed: as bytes, as text, or crossed with that of another kept input."""
        name = self.rng.choice(sorted(tree))
        data = tree[name]
        kind = self.rng.randrange(4)
        if kind == 0 and name.endswith(".json"):
            changed = mutate.of_text(data.decode("utf-8", "replace"), self.rng).encode("utf-8", "surrogatepass")
        elif kind == 1:
            other = self.rng.choice(self.kept)[name]
            cut = self.rng.randrange(min(len(data), len(other)) + 1)
            changed = data[:cut] + other[cut:]
        else:
            changed = mutate.of_bytes(data, self.rng)
        return {**tree, name: changed}

    def attempt(self, tree: Tree) -> str:
        self.folder.mkdir()
        try:
            path = self.reader.place(tree, self.folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                sys.settrace(self._trace)
                try:
                    read = BUILDERS[self.reader.name](path)
                finally:
                    sys.settrace(None)
                agree(read.program)
            return "accepted"
        except ContractError as error:
            return f"ContractError: {error}"
        except SeamountError as error:
            return "refused" if error.problems and str(error) else "says nothing"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        finally:
            shutil.rmtree(self.folder)

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(str(ROOT)) or not name[len(str(ROOT)) + 1 :].startswith(self.reader.files):
            return None

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                self.lines.add((name, frame.f_lineno))
            return line

        return line


def search(reader: Reader, tmp_path: Path, inputs: int, seed: int) -> None:
    begin = time.monotonic()
    found = Search(reader, tmp_path / "x", random.Random(seed))
    found.run(inputs)
    if os.environ.get("FUZZ_REPORT"):
        told = ", ".join(f"{n} {k[:60]}" for k, n in sorted(found.counts.items()))
        lines = f"{len(found.lines)} lines reached, {len(found.kept)} inputs kept"
        print(f"guided {reader.name}: {inputs} inputs, {told}; {lines}, {time.monotonic() - begin:.0f} s")
    assert not found.escaped, "\n".join(found.escaped[:20])
    assert len(found.kept) > len(reader.starts())


KNOWN = {form.name for form in FORMATS}
each_reader = pytest.mark.parametrize("reader", [r for r in READERS if r.name in KNOWN], ids=lambda r: r.name)


@pytest.fixture(scope="module", autouse=True)
def compiled_engine() -> None:
    """The engine compiles itself once, which is no input's fault."""
    agree(small_artifact().program)


@each_reader
def test_guided(reader: Reader, tmp_path: Path) -> None:
    search(reader, tmp_path, 10, 0)


@pytest.mark.slow
@each_reader
def test_guided_long(reader: Reader, tmp_path: Path) -> None:
    search(reader, tmp_path, 1_500, 1)
