"""seamount diff and the check of recorded traces, from the command line: places, exit codes, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.compiler.artifact import load_artifact, save_artifact
from seamount.compiler.errors import InputError
from seamount.workflows import recordings
from seamount.workflows.record_check import COLUMNS, check_recording
from tests.cli.running import call, plain
from tests.ranges.brute_force import first_difference
from tests.report.networks import FAULTS, NETWORKS, SAMPLES, STEPS, run, write_artifact


def checked(path: Path, record: Path, silicon: bool = False) -> tuple[list[tuple[str, ...]], Any]:
    """Rows of the table, and the first divergence."""
    found = check_recording(path, record, silicon=silicon)
    return [layer.row() for layer in found.layers], found.divergence


def planted(folder: Path, network: str, fault: str) -> tuple[list[str], Any]:
    """Two artifacts that differ by a fault, and where the fault first shows."""
    net = NETWORKS[network]()
    good, bad = FAULTS[fault](net)
    paths = [
        str(write_artifact(p, net.messages, folder / name)) for p, name in ((good, "good"), (bad, "bad"))
    ]  # fmt: skip
    return paths, first_difference(good, run(good, net.messages), run(bad, net.messages))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault(network: str, fault: str, tmp_path: Path) -> None:
    paths, expected = planted(tmp_path, network, fault)
    ran = call(["diff", *paths, "--json", str(tmp_path / "found.json")])
    assert ran.code == 1, ran.err
    tree = json.loads((tmp_path / "found.json").read_text())
    found = tree["divergence"]
    place = found["place"]
    assert (place["sample"], place["step"], place["layer"], place["neuron"], found["register"]) == expected
    assert not tree["equal"] and tree["programs"] == found["programs"] and found["programs"]
    assert f"first divergence: {found['headline']}" in ran.out
    assert f"cause: {found['cause']}" in ran.out
    assert found["headline"] in plain(ran.err)


def test_equal_artifacts(tmp_path: Path) -> None:
    net = NETWORKS["dense"]()
    path = str(write_artifact(net.program, net.messages, tmp_path / "a"))
    ran = call(["diff", path, path, "--backend-b", "reference", "--json", str(tmp_path / "found.json")])
    entries = 3 * SAMPLES * STEPS * (7 + 5 + 3) + SAMPLES * STEPS * 12
    assert ran.code == 0
    assert ran.out == f"no divergence: {SAMPLES} samples of {STEPS} steps, {entries:,} entries compared\n"
    tree = json.loads((tmp_path / "found.json").read_text())
    assert tree == {
        "samples": SAMPLES, "steps": STEPS, "equal": True, "divergence": None, "readouts": None, "programs": [],
    }  # fmt: skip


def test_programs_that_differ_and_behave_the_same(tmp_path: Path) -> None:
    """Exit code 0, and the difference is named."""
    net = NETWORKS["dense"]()
    a = write_artifact(net.program, net.messages, tmp_path / "a")
    b = write_artifact(replace(net.program, steps=9), net.messages, tmp_path / "b")
    ran = call(["diff", str(a), str(b)])
    assert ran.code == 0 and "the programs differ\n  steps: 6 against 9\n" in ran.out


def test_readouts_that_differ(tmp_path: Path) -> None:
    """All registers agree, and still the answers do not."""
    net = NETWORKS["dense"]()
    other = replace(net.program, readouts=(replace(net.program.readouts[0], rule="max"),))
    a, b = (write_artifact(p, net.messages, tmp_path / n) for p, n in ((net.program, "a"), (other, "b")))
    ran = call(["diff", str(a), str(b), "--json", str(tmp_path / "found.json")])
    trace = run(net.program, net.messages)
    last, top = trace.v["out"][:, -1], trace.v["out"].max(axis=1)
    at = np.argwhere(last != top)[0]
    assert ran.code == 1
    expected = f"sample {at[0]}, entry [{at[1]}]: {last[tuple(at)]} against {top[tuple(at)]}; all spikes, u and v agree"
    assert expected in plain(ran.err)
    assert expected in json.loads((tmp_path / "found.json").read_text())["readouts"]


def test_limit_steps_and_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that shows in the second sample only is found with its number, chunk by chunk; --limit 1 hides it."""
    net = NETWORKS["dense"]()
    good, bad = FAULTS["weight"](net)
    net.messages["x"][0] = 0
    a, b = (str(write_artifact(p, net.messages, tmp_path / n)) for p, n in ((good, "a"), (bad, "b")))
    expected = first_difference(good, run(good, net.messages), run(bad, net.messages))
    assert expected is not None and expected[0] == 1
    monkeypatch.setattr(recordings, "CHUNK_BYTES", 1)
    ran = call(["diff", a, b])
    assert ran.code == 1 and f"first divergence: sample 1, step {expected[1]}" in ran.out
    assert call(["diff", a, b, "--limit", "1"]).code == 0
    assert call(["diff", a, b, "--steps", str(expected[1])]).code == (0 if expected[1] else 2)
    assert call(["diff", a, b, "--steps", "7"]).code == 2
    assert call(["diff", a, b, "--quiet"]).out == ""


def test_data(tmp_path: Path) -> None:
    net = NETWORKS["dense"]()
    good, bad = FAULTS["weight"](net)
    a, b = (str(write_artifact(p, net.messages, tmp_path / n)) for p, n in ((good, "a"), (bad, "b")))
    x = np.random.default_rng(5).integers(0, 2, (4, STEPS, 12)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.zeros(4, np.int64))
    sent = {"x": x.astype(np.int32)}
    expected = first_difference(good, run(good, sent), run(bad, sent))
    ran = call(["diff", a, b, "--data", str(tmp_path / "data.npz"), "--json", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())["divergence"]
    assert ran.code == 1
    assert (found["place"]["sample"], found["place"]["step"], found["place"]["neuron"]) == (
        expected and (expected[0], expected[1], expected[3])
    )


@pytest.mark.parametrize("own_messages", [False, True])
def test_recorded_trace(own_messages: bool, tmp_path: Path) -> None:
    """A flipped spike; the record brings its own messages or is run on the test vectors."""
    net = NETWORKS["recurrent"]()
    path = write_artifact(net.program, net.messages, tmp_path / "a")
    sent = {"x": 1 - net.messages["x"]} if own_messages else net.messages
    trace = run(net.program, sent)
    arrays = {f"spikes:{name}": values.copy() for name, values in trace.spikes.items()}
    if own_messages:
        arrays["messages:x"] = sent["x"]
    record = tmp_path / "board.npz"
    np.savez(record, **arrays)
    assert call(["diff", str(path), str(record)]).code == 0
    rows, found = checked(path, record)
    assert found is None and [row[0] for row in rows] == ["loop", "out"]
    spikes = f"{int(trace.spikes['loop'].sum())}"
    entries = SAMPLES * STEPS * 8
    assert rows[0] == ("loop", spikes, spikes, "1.0000", str(entries), "0", "") and len(rows[0]) == len(COLUMNS)

    arrays["spikes:loop"][1, 4, 6] ^= 1
    np.savez(record, **arrays)
    ran = call(["diff", str(path), str(record)])
    assert ran.code == 1 and "first divergence: sample 1, step 4, 'loop', neuron 6: spike" in ran.out
    rows, found = checked(path, record)
    assert found is not None and (found.place.sample, found.place.step, found.place.neuron) == (1, 4, 6)
    assert rows[0][4:] == (str(entries), "1", "sample 1, step 4")
    assert rows[1][4:6] == (str(SAMPLES * STEPS * 3), "0")


def test_silicon_and_populations_that_were_not_recorded(tmp_path: Path) -> None:
    net = NETWORKS["dense"]()
    path = write_artifact(net.program, net.messages, tmp_path / "a")
    trace = run(net.program, net.messages)
    spikes = trace.spikes["deep"]
    np.savez(tmp_path / "chip.npz", **{"spikes:deep": spikes, "v:deep": np.where(spikes == 1, 128, trace.v["deep"])})
    args = ["diff", str(path), str(tmp_path / "chip.npz")]
    assert call(args).code == 1
    assert call([*args, "--silicon"]).code == 0
    rows, found = checked(path, tmp_path / "chip.npz", silicon=True)
    assert found is None and [row[2] == "not recorded" for row in rows] == [True, False, True]


def test_a_record_on_other_messages_than_it_holds(tmp_path: Path) -> None:
    """With --data, what the record was driven with is compared first."""
    net = NETWORKS["recurrent"]()
    path = write_artifact(net.program, net.messages, tmp_path / "a")
    trace = run(net.program, net.messages)
    np.savez(tmp_path / "board.npz", **{"spikes:loop": trace.spikes["loop"], "messages:x": net.messages["x"]})
    x = net.messages["x"].astype(np.float32)
    x[0, 2, 3] = 1 - x[0, 2, 3]
    np.savez(tmp_path / "data.npz", x=x, y=np.zeros(SAMPLES, np.int64))
    ran = call(["diff", str(path), str(tmp_path / "board.npz"), "--data", str(tmp_path / "data.npz")])
    assert ran.code == 1 and "first divergence: sample 0, step 2, 'x', neuron 3: message" in ran.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none", "none"], "does not exist"),
        (["a.npz", "a"], "give the artifact first"),
        (["a", "none.npz"], "none.npz"),
        (["a", "a", "--backend-b", "spinnaker"], "backend 'spinnaker'"),
        (["a", "other"], "messages 'x': have shape"),
        (["bare", "a"], "has no test vectors"),
    ],
)
def test_bad_input(args: list[str], message: str, tmp_path: Path) -> None:
    dense, recurrent = NETWORKS["dense"](), NETWORKS["recurrent"]()
    write_artifact(dense.program, dense.messages, tmp_path / "a")
    write_artifact(recurrent.program, recurrent.messages, tmp_path / "other")
    whole = load_artifact(tmp_path / "a")
    save_artifact(replace(whole, vectors=replace(whole.vectors, messages={})), tmp_path / "bare")
    ran = call(["diff", *(str(tmp_path / x) for x in args[:2]), *args[2:]])
    assert ran.code == 2 and message in plain(ran.err) and "Traceback" not in ran.err


def test_check_of_a_record_that_cannot_be_used(tmp_path: Path) -> None:
    net = NETWORKS["dense"]()
    path = write_artifact(net.program, net.messages, tmp_path / "a")
    with pytest.raises(InputError, match="does not exist"):
        checked(path, tmp_path / "none.npz")
