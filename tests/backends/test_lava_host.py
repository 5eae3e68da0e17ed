"""The host by itself, from files alone, and the backend around it: batches, progress, requests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from seamount.backends.lava.child import HOST, MARK
from seamount.backends.lava.results import load_trace, save_trace
from seamount.backends.lava.run import LavaBackend
from seamount.backends.registry import load_backend
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.artifact import load_artifact, save_artifact
from seamount.compiler.errors import InputError
from tests.backends.lava_support import ALL, backend, differing, lava_python
from tests.backends.test_lava_constructs import with_messages
from tests.program_samples import small_program
from tests.test_artifact import small_artifact


def host(*arguments: object) -> list[dict[str, object]]:
    """What the host says, in an environment that knows nothing of Seamount."""
    command = [str(lava_python()), "-I", str(HOST), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={})
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK)]


@pytest.mark.lava
@pytest.mark.parametrize("options", [(), ("--on", "reference"), ("--on", "vectorized")], ids=str)
def test_artifact_alone(tmp_path: Path, options: tuple[str, ...]) -> None:
    """An artifact's folder is all that Lava's Python needs to repeat its test vectors."""
    save_artifact(small_artifact(), tmp_path / "a")
    events = host(tmp_path / "a", tmp_path / "a" / "vectors.npz", tmp_path / "out.npz", "--record", "spikes", *options)
    assert events[-1]["event"] == "done"
    found, wanted = load_trace(tmp_path / "out.npz"), load_artifact(tmp_path / "a").vectors
    for name, values in wanted.readout.items():
        assert np.array_equal(found.readout[name], values)
    for name, values in wanted.spikes.items():
        assert np.array_equal(found.spikes[name], values)
    assert not found.u


@pytest.mark.lava
def test_damaged_artifact(tmp_path: Path) -> None:
    save_artifact(small_artifact(), tmp_path / "a")
    (tmp_path / "a" / "arrays.npz").write_bytes(b"PK")
    command = [str(lava_python()), str(HOST), str(tmp_path / "a"), str(tmp_path / "a" / "vectors.npz"), "out.npz"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 1
    assert "arrays.npz: does not match the digest in the manifest" in done.stdout
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.lava
def test_batches_in_parallel_and_progress() -> None:
    program, messages = with_messages(small_program(), samples=5)
    seen: list[tuple[int, int]] = []
    found = backend(processes=2, batch_size=2).run(program, messages, ALL, lambda done, of: seen.append((done, of)))
    expected = ReferenceSimulator().run(program, messages, ALL)
    assert differing(expected, found)[0] == 0
    assert expected.counts.differences(found.counts) == []
    assert seen == sorted(seen) and seen[-1] == (5, 5)


@pytest.mark.lava
def test_records_only_what_is_asked_for() -> None:
    program, messages = with_messages(small_program())
    found = backend().run(program, messages, frozenset({"u"}))
    assert found.spikes == {} and found.v == {} and set(found.u) == {"conv", "loop", "out"}
    assert set(found.readout) == {"y", "rate"}


def test_registered() -> None:
    assert isinstance(load_backend("lava"), LavaBackend)


def test_messages_are_checked_before_lava_is_looked_for() -> None:
    with pytest.raises(InputError, match="no input port has this name"):
        LavaBackend(interpreter="/nowhere").run(small_program(), {"z": np.zeros((1, 1), np.int32)})


def test_trace_as_a_file(tmp_path: Path) -> None:
    program, messages = with_messages(small_program())
    trace = ReferenceSimulator().run(program, messages, ALL)
    save_trace(tmp_path / "t.npz", trace)
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]
    back = load_trace(tmp_path / "t.npz")
    assert differing(trace, back)[0] == 0
    assert trace.counts.differences(back.counts) == []


def test_result_of_something_else(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", a=np.zeros(1))
    with pytest.raises(InputError, match="is no result of a Lava run"):
        load_trace(tmp_path / "t.npz")
