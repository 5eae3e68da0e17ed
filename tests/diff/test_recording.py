"""Traces recorded elsewhere: read whole or refused with a reason, compared where they say something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamount.compiler.diff.divergence import Divergence, find_divergence
from seamount.compiler.diff.divergence_text import cause, text
from seamount.compiler.diff.recording import Record, is_record, read_record
from seamount.compiler.diff.side import Side
from seamount.compiler.errors import InputError
from tests.program_samples import i32, one_population
from tests.ranges.brute_force import assert_account
from tests.report.networks import NETWORKS, SAMPLES, STEPS, Network, run

NET = NETWORKS["conv"]()
TRACE = run(NET.program, NET.messages)
SPIKES = {f"spikes:{name}": values for name, values in TRACE.spikes.items()}
POPULATION = "conv1"
SHAPE = NET.program.shapes[POPULATION]


def npz(folder: Path, **arrays: Any) -> Path:
    path = folder / "trace.npz"
    np.savez(path, **{name.replace("__", ":"): values for name, values in arrays.items()})
    return path


def events(folder: Path, text: str) -> Path:
    path = folder / "trace.csv"
    path.write_text(text, encoding="utf-8")
    return path


def lines_of(spikes: Any, v: Any = None) -> str:
    """Spikes, and v where it is given, of all populations as csv."""
    lines = ["step,sample,neuron,population,register,value"]
    for name, values in spikes.items():
        lines.append(f",,,{name},,")
        flat = values.reshape(*values.shape[:2], -1)
        lines += [f"{t},{n},{i},{name},," for n, t, i in np.argwhere(flat)]
        if v is not None:
            potential = v[name].reshape(flat.shape)
            lines += [f"{t},{n},{i},{name},v,{potential[n, t, i]}" for n, t, i in np.argwhere(flat + 1)]
    return "\n".join(lines) + "\n"


def read(path: Path) -> Record:
    return read_record(path, NET.program, SAMPLES, STEPS)


def compare(record: Record, net: Network = NET, trace: Any = TRACE, silicon: bool = False) -> Divergence | None:
    program = Side.of_run("program", net.program, net.messages, trace)
    return find_divergence(program, record.side(net.program, net.messages, silicon))


def test_a_true_record_agrees(tmp_path: Path) -> None:
    registers = {f"{r}:{n}": x for r, group in (("u", TRACE.u), ("v", TRACE.v)) for n, x in group.items()}
    messages = {"messages:x": NET.messages["x"].astype(np.uint8)}
    for arrays in (SPIKES, SPIKES | registers, SPIKES | messages, {"spikes:conv2": TRACE.spikes["conv2"] == 1}):
        assert compare(read(npz(tmp_path, **arrays))) is None
    assert compare(read(events(tmp_path, lines_of(TRACE.spikes)))) is None
    assert compare(read(events(tmp_path, lines_of(TRACE.spikes, TRACE.v)))) is None


def test_one_sample_and_fewer_steps(tmp_path: Path) -> None:
    record = read(npz(tmp_path, **{name: values[0, :4] for name, values in SPIKES.items()}))
    assert (record.samples, record.steps) == (1, 4)
    assert compare(record) is None


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("form", ["npz", "csv"])
def test_one_spike_flipped(network: str, form: str, tmp_path: Path, golden: Any) -> None:
    net = NETWORKS[network]()
    trace = run(net.program, net.messages)
    spikes = {name: values.copy() for name, values in trace.spikes.items()}
    flat = spikes[net.population].reshape(SAMPLES, STEPS, -1)
    flat[1, 2, 4] = 1 - flat[1, 2, 4]
    path = npz(tmp_path, **{f"spikes:{n}": x for n, x in spikes.items()})
    path = path if form == "npz" else events(tmp_path, lines_of(spikes))
    found = compare(read_record(path, net.program, SAMPLES, STEPS), net, trace)
    assert found is not None
    place = found.place
    assert (place.sample, place.step, place.layer, place.neuron) == (1, 2, net.population, 4)
    assert found.register == "s"
    assert found.accounts[1] is None and found.accounts[0] is not None
    assert_account(found.accounts[0], net.program, net.messages, trace, place)
    was = int(trace.spikes[net.population].reshape(SAMPLES, STEPS, -1)[1, 2, 4])
    assert found.reads[1] == {"u": None, "v": None, "s": 1 - was}
    assert cause(found) == f"the program of A gives spike {was}, the record B says {1 - was}"
    if network == "conv":
        golden(text(found).replace(str(path), "trace"), "report/recorded_spike.txt")


def test_an_event_of_v_is_compared_where_it_stands(tmp_path: Path) -> None:
    v = int(TRACE.v[POPULATION].reshape(SAMPLES, STEPS, -1)[0, 3, 7])
    head = "sample,step,population,neuron,register,value\n0,3,conv1,7,v,"
    register_only = read(events(tmp_path, f"{head}{v + 1}\n"))
    assert set(register_only.spikes) == {POPULATION}
    missing_spikes = compare(register_only)
    assert missing_spikes is not None and missing_spikes.register == "s"
    spikes = lines_of({POPULATION: TRACE.spikes[POPULATION]})
    assert compare(read(events(tmp_path, spikes + f"3,0,7,conv1,v,{v}\n"))) is None
    found = compare(read(events(tmp_path, spikes + f"3,0,7,conv1,v,{v + 1}\n")))
    assert found is not None and (found.place.step, found.place.neuron, found.register) == (3, 7, "v")
    assert found.reads[1]["v"] == v + 1 and found.reads[1]["u"] is None


def test_silicon_reads_128_at_a_spike(tmp_path: Path) -> None:
    """Where a neuron spiked, v reads 128; elsewhere, and for other values, v is compared as it is."""
    spikes, v = TRACE.spikes[POPULATION], TRACE.v[POPULATION]
    chip = np.where(spikes == 1, 128, v)
    record = read(npz(tmp_path, **{"spikes:conv1": spikes, "v:conv1": chip}))
    assert compare(record, silicon=True) is None
    found = compare(record)
    assert found is not None and found.register == "v"
    assert cause(found).endswith("a chip's v reads 128 at a spike, which --silicon accepts")
    first = tuple(np.argwhere(spikes == 1)[0])
    assert found.place.at == first
    for place, value in ((first, 129), (tuple(np.argwhere(spikes == 0)[0]), 128)):
        wrong = chip.copy()
        wrong[place] = value
        record = read(npz(tmp_path, **{"spikes:conv1": spikes, "v:conv1": wrong}))
        found = compare(record, silicon=True)
        assert found is not None and found.place.at == place and found.register == "v"


def test_silicon_leaves_128_without_a_spike(tmp_path: Path) -> None:
    program = one_population(vth=10)
    net = Network(program, {"x": i32([[[0]]])}, "p", "x->p")
    path = npz(tmp_path, **{"spikes:p": np.zeros((1, 1), np.int8), "v:p": np.full((1, 1), 128)})
    found = compare(read_record(path, program, 1, 1), net, run(program, net.messages), silicon=True)
    assert found is not None and found.reads == ({"u": 0, "v": 0, "s": 0}, {"u": None, "v": 128, "s": 0})


def test_names_of_records() -> None:
    assert is_record(Path("a.npz")) and is_record(Path("a.csv")) and not is_record(Path("a.seamount"))


# Faulty files.


def flipped(part: str, change: Callable[[Any], Any]) -> dict[str, Any]:
    return {**SPIKES, part: change(np.array(SPIKES.get(part, TRACE.v[POPULATION])))}


NPZ_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown part": ({"spike:conv1": SPIKES["spikes:conv1"]}, "is none of spikes:, u:, v:, messages:"),
    "no name": ({"x": np.zeros(3)}, "is none of spikes:"),
    "unknown population": ({"spikes:conv9": SPIKES["spikes:conv1"]}, "has no population 'conv9', but conv1, conv2"),
    "unknown port": ({"messages:conv1": SPIKES["spikes:conv1"]}, "has no input port 'conv1', but x"),
    "wrong shape": ({"spikes:conv1": np.zeros((2, 6, 36), np.int8)}, r"has shape \(2, 6, 36\), expected \(N, T, 4, 3"),
    "no axis of time": ({"spikes:conv1": np.zeros(SHAPE)}, "or \\(T, 4, 3, 3\\)"),
    "no samples": ({"spikes:conv1": np.zeros((0, 6, *SHAPE))}, "no sample or no step"),
    "fractions": (flipped("v:conv1", lambda x: x + 0.5), "no integers"),
    "not a number": (flipped("v:conv1", lambda x: x * np.nan), "no integers"),
    "text": (flipped("spikes:conv1", lambda x: x.astype(str)), "is of type <U"),
    "complex": (flipped("v:conv1", lambda x: x.astype(complex)), "is of type complex128"),
    "too large": (flipped("v:conv1", lambda x: x.astype(np.int64) + 2**40), "beyond 32 bits"),
    "too large unsigned": (flipped("v:conv1", lambda x: x.astype(np.uint64) + np.uint64(2**63)), "beyond 32 bits"),
    "spikes of 2": (flipped("spikes:conv1", lambda x: x * 2), "reaches from 0 to 2"),
    "different lengths": (flipped("spikes:conv2", lambda x: x[:, :3]), "different N, T: 2, 3; 2, 6|2, 3, 2, 6"),
    "more samples": ({"spikes:conv1": np.zeros((3, 6, *SHAPE))}, "holds 3 samples of 6 steps, the messages at hand"),
    "more steps": ({"spikes:conv1": np.zeros((7, *SHAPE))}, "holds 1 samples of 7 steps"),
    "no spikes": ({"v:conv1": TRACE.v["conv1"]}, "holds no spikes"),
    "empty": ({}, "holds no spikes"),
    "pickled": ({"spikes:conv1": np.array([{}], object)}, "is damaged: 'spikes:conv1' holds Python objects"),
}


@pytest.mark.parametrize("fault", NPZ_FAULTS)
def test_faulty_npz(fault: str, tmp_path: Path) -> None:
    arrays, message = NPZ_FAULTS[fault]
    with pytest.raises(InputError, match=message) as caught:
        read(npz(tmp_path, **arrays))
    assert all("compile" not in p.remedy and p.remedy for p in caught.value.problems)


def test_all_faults_of_an_npz_are_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(npz(tmp_path, **{"spikes:a": np.zeros(1), "spikes:b": np.zeros(1), "q": np.zeros(1)}))
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_npz(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        read(path)


def test_an_npz_cut_or_changed_anywhere(tmp_path: Path) -> None:
    whole = npz(tmp_path, **SPIKES).read_bytes()
    rng = np.random.default_rng(0)
    for k in rng.integers(0, len(whole), 150):
        for content in (whole[:k], whole[:k] + bytes([whole[k] ^ int(rng.integers(1, 256))]) + whole[k + 1 :]):
            (tmp_path / "trace.npz").write_bytes(content)
            try:
                read(tmp_path / "trace.npz")
            except InputError as error:
                assert error.problems


def test_missing_and_strange_files(tmp_path: Path) -> None:
    for name in ("none.npz", "none.csv"):
        with pytest.raises(InputError, match=r"(?i)no such file|does not exist"):
            read(tmp_path / name)
    for name in ("folder.npz", "folder.csv"):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError):
            read(tmp_path / name)
    with pytest.raises(InputError, match=r"ends in '\.txt'"):
        read(tmp_path / "trace.txt")


HEAD = "sample,step,population,neuron,register,value\n"
CSV_FAULTS = {
    "empty": ("", "has no column 'sample'"),
    "no header": ("0,1,conv1,3\n", "has no column 'sample'"),
    "column missing": ("sample,step,population\n0,1,conv1\n", "has no column 'neuron'"),
    "column unknown": ("sample,step,population,neuron,time\n", "has a column 'time'"),
    "column twice": ("sample,step,population,neuron,step\n", "has the column 'step' twice"),
    "header only": (HEAD, "no line but the header"),
    "too few cells": (HEAD + "0,1,conv1\n", "line 2: has 3 cells, the header 6"),
    "unknown population": (HEAD + "0,1,conv9,3,,\n", "has no population 'conv9', but conv1"),
    "sample out of range": (HEAD + "2,1,conv1,3,,\n", "sample is '2', expected 0 to 1"),
    "step out of range": (HEAD + "0,6,conv1,3,,\n", "step is '6', expected 0 to 5"),
    "neuron out of range": (HEAD + "0,1,conv1,36,,\n", "neuron is '36', expected 0 to 35"),
    "negative step": (HEAD + "0,-1,conv1,3,,\n", "step is '-1', expected 0 to 5"),
    "step is no number": (HEAD + "0,1.0,conv1,3,,\n", "step is '1.0'"),
    "step is missing": (HEAD + "0,,conv1,3,,\n", "step is '', expected"),
    "other digits": (HEAD + "0,\u0661,conv1,3,,\n", "expected 0 to 5"),
    "underscores": (HEAD + "0,0_1,conv1,3,,\n", "step is '0_1'"),
    "very long number": (HEAD + "0,1,conv1,3,v," + "9" * 5000 + "\n", "expected an integer of 32 bits"),
    "register unknown": (HEAD + "0,1,conv1,3,w,1\n", "register is 'w', expected s, u or v"),
    "spike of 2": (HEAD + "0,1,conv1,3,s,2\n", "value is '2', expected 0 or 1"),
    "v without value": (HEAD + "0,1,conv1,3,v,\n", "value is '', expected an integer"),
    "v too large": (HEAD + "0,1,conv1,3,v,2147483648\n", "expected an integer of 32 bits"),
    "said twice": (HEAD + "0,1,conv1,3,v,1\n0,1,conv1,3,v,2\n", "line 3: says 2 where an earlier line says 1"),
    "field too long": (HEAD + "0,1," + "c" * 200_000 + "\n", "is no csv text"),
}


@pytest.mark.parametrize("fault", CSV_FAULTS)
def test_faulty_csv(fault: str, tmp_path: Path) -> None:
    text, message = CSV_FAULTS[fault]
    with pytest.raises(InputError, match=message) as caught:
        read(events(tmp_path, text))
    assert all(p.remedy for p in caught.value.problems)


def test_a_csv_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    for content in (b"\xff\xfe\x00s\x00a", bytes(range(256)), npz(tmp_path, **SPIKES).read_bytes()):
        path.write_bytes(content)
        with pytest.raises(InputError):
            read(path)


def test_faulty_lines_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(events(tmp_path, HEAD + "0,99,conv1,3,,\n" * 1000))
    assert len(caught.value.problems) == 20


def test_a_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    """Byte order mark, other line ends, quotes, blanks, blank lines."""
    path = tmp_path / "trace.csv"
    path.write_bytes(b'\xef\xbb\xbfSample, "Step",population,neuron\r\n\r\n0,1, "conv1" ,3\r\n')
    record = read(path)
    assert int(record.spikes["conv1"].sum()) == 1 and record.spikes["conv1"].reshape(2, 6, -1)[0, 1, 3] == 1
