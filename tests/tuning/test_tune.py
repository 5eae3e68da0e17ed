"""Tuning from end to end: the file, its integers, checkpoints, and what is refused."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

import seamount as sm  # noqa: E402
from seamount.compiler.diff.programs import program_differences  # noqa: E402
from seamount.compiler.ir.tuned import Goal  # noqa: E402
from seamount.frontends.model_file.self_check import self_check  # noqa: E402
from seamount.models.data.datasets import load  # noqa: E402
from seamount.models.reference.card import WEIGHTS  # noqa: E402
from tests.fault_injection import fault_at, full_disk, points  # noqa: E402
from tests.frontends.net_files import NETWORKS, write_net  # noqa: E402

DENSE, CONV, LOOP = (WEIGHTS / f"digits-{name}.pt" for name in ("dense", "conv", "recurrent"))
QUICK = sm.TuneSettings(epochs=2, batch=32)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def digits(count: int = 192, name: str = "digits") -> tuple[Any, Any]:
    data = load(name, "train", limit=count)
    return data.x, data.y


def tuned(model: Path = DENSE, **options: Any) -> sm.Tuned:
    return sm.tune(model, digits(), **{"weight_bits": 3, "settings": QUICK, "progress": False, **options})


@pytest.fixture(scope="module")
def three_bits() -> sm.Tuned:
    torch.set_num_threads(1)
    return tuned()


@pytest.mark.parametrize(
    ("model", "bits", "data"), [(CONV, 2, "digits"), (LOOP, 4, "digits-rows")], ids=["conv", "loop"]
)
def test_a_tuned_file_compiles_to_the_integers_that_tuning_saw(
    model: Path, bits: int, data: str, tmp_path: Path
) -> None:
    path = tmp_path / "tuned.pt"
    settings = replace(QUICK, epochs=1, learn=(*sm.TuneSettings().learn, "decays"))
    made = sm.tune(
        model, digits(96, data), weight_bits=bits, settings=settings, path=path, progress=False
    )  # fmt: skip
    again = sm.load(path)
    assert again.about.tuning == made.tuning
    artifact = sm.compile(again, progress=False)
    assert program_differences(artifact.program, made.program) == ()
    assert program_differences(artifact.program, sm.compile(model, weight_bits=bits, progress=False).program) != ()
    assert artifact.manifest.options is not None and artifact.manifest.options.weight_bits == bits
    assert self_check(again.file).differing == 0
    x, _ = digits(8, data)
    run = artifact.run(x, record=["spikes", "u", "v"], backend="reference", progress=False)
    for name, series in made.module.states(x).items():
        for mine, theirs in zip(series, (run.spikes, run.u, run.v), strict=True):
            assert np.array_equal(mine, theirs[name])


def test_tuning_gives_back_what_rounding_took() -> None:
    x, y = digits(1000)
    made = sm.tune(DENSE, (x, y), weight_bits=2, settings=replace(QUICK, epochs=4), progress=False)
    test = load("digits", "test")
    before = sm.compile(DENSE, weight_bits=2, calibrate=x[:256], progress=False).run(test.x, test.y, progress=False)
    after = sm.compile(made.model, progress=False).run(test.x, test.y, progress=False)
    assert after.accuracy > before.accuracy + 0.01


def test_without_labels_the_float_network_teaches(three_bits: sm.Tuned) -> None:
    made = sm.tune(DENSE, digits()[0], weight_bits=2, settings=QUICK, progress=False)
    assert made.tuning.goal is Goal.DISTILLATION and three_bits.tuning.goal is Goal.LABELS
    assert made.history[made.tuning.best]["held_loss"] < made.history[0]["held_loss"]


def test_ternary_weights_take_three_values() -> None:
    made = tuned(weight_bits=2, ternary=True, settings=replace(QUICK, epochs=1))
    codes = np.unique(np.concatenate([q.connection.weight.reshape(-1) for q in made.program.projections]))
    assert set(codes.tolist()) <= {-128, 0, 128}


def test_a_tuned_nir_file_holds_the_network(three_bits: sm.Tuned, tmp_path: Path) -> None:
    path = tmp_path / "tuned.nir"
    three_bits.save(path)
    from seamount.workflows.tuned import assumed

    model = sm.load(path, assume=assumed(three_bits.file))
    mine, theirs = (sm.compile(m, progress=False) for m in (model, three_bits.model))
    x, _ = digits(64)
    answers = [artifact.run(x, progress=False).predictions for artifact in (mine, theirs)]
    assert np.mean(answers[0] == answers[1]) > 0.95


def test_other_widths_than_the_tuned_are_refused(three_bits: sm.Tuned) -> None:
    with pytest.raises(sm.CompileError, match="tuned to 3 bits, and other widths are asked for"):
        sm.compile(three_bits.model, weight_bits=4, progress=False)
    assert sm.compile(three_bits.model, weight_bits=3, progress=False).program is not None


def test_a_proof_keeps_the_tuned_integers_or_refuses(three_bits: sm.Tuned) -> None:
    try:
        proven = sm.compile(three_bits.model, prove=True, progress=False)
    except sm.CompileError as error:
        assert "may overflow at the scale it was tuned to" in str(error)
    else:
        assert program_differences(proven.program, three_bits.program) == ()


def test_changed_weights_are_not_on_the_grid(three_bits: sm.Tuned) -> None:
    model = three_bits.model
    node = next(n for n in model.graph.nodes if hasattr(n.op, "weight"))
    bent = model.graph.with_op(node.name, replace(node.op, weight=node.op.weight * 1.01))  # type: ignore[arg-type,union-attr]
    with pytest.raises(sm.CompileError, match="are not on the grid of 3 bits that it was tuned on"):
        sm.compile(replace(model, graph=bent, checked=True), progress=False)


def test_a_tuned_network_can_be_tuned_again(three_bits: sm.Tuned) -> None:
    assert sm.tune(three_bits.model, digits(), weight_bits=2, settings=QUICK, progress=False).tuning.weight_bits == 2


def test_the_report_says_how_it_was_tuned(three_bits: sm.Tuned, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    x, y = digits(16)
    report = sm.report(sm.compile(three_bits.model, progress=False).run(x, y, progress=False))
    report.save(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Tuning in integers" in page and "labels, and what the float network answers" in page


# checkpoints


class Stop(Exception):
    pass


def test_a_checkpoint_goes_on_exactly(tmp_path: Path) -> None:
    settings = replace(QUICK, epochs=3, checkpoint=tmp_path / "c")

    def stop(entry: Mapping[str, Any]) -> None:
        if entry["epoch"] == 2:
            raise Stop

    with pytest.raises(Stop):
        tuned(settings=settings, each=stop)
    tuned(settings=settings, path=tmp_path / "resumed.pt")
    tuned(settings=replace(settings, checkpoint=None), path=tmp_path / "whole.pt")
    assert (tmp_path / "resumed.pt").read_bytes() == (tmp_path / "whole.pt").read_bytes()
    with pytest.raises(sm.InputError, match="was written by another run"):
        tuned(settings=replace(settings, seed=1))


@pytest.mark.slow
def test_a_killed_tuning_goes_on_exactly(tmp_path: Path) -> None:
    def command(out: str, *more: str) -> list[str]:
        words = [str(DENSE), "--data", "digits", "--weight-bits", "3", "--epochs", "4", "--limit", "800", "-q"]
        code = "import sys; from seamount.cli import main; sys.exit(main())"
        return [sys.executable, "-c", code, "tune", *words, "-o", str(tmp_path / out), *more]

    check = ("--checkpoint", str(tmp_path / "c"))
    process = subprocess.Popen(command("killed.pt", *check))
    while not (tmp_path / "c").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed.pt").exists()
    subprocess.run(command("resumed.pt", *check), check=True)
    subprocess.run(command("whole.pt"), check=True)
    assert (tmp_path / "resumed.pt").read_bytes() == (tmp_path / "whole.pt").read_bytes()


def test_a_full_disk_leaves_nothing(three_bits: sm.Tuned, tmp_path: Path) -> None:
    path = tmp_path / "tuned.pt"
    count = points(tmp_path, lambda: three_bits.save(path), True)
    whole, refused = path.read_bytes(), 0
    for k in range(count):
        path.unlink(missing_ok=True)
        try:
            with fault_at(k, full_disk, tmp_path, True):
                three_bits.save(path)
        except sm.InputError:
            refused += 1
            assert list(tmp_path.iterdir()) == []
        else:
            assert path.read_bytes() == whole
    assert refused > 0


# refused


def test_data_with_nan() -> None:
    x, y = digits(64)
    x = x.copy()
    x[60, 0, 0] = np.nan
    with pytest.raises(sm.InputError, match="NaN or infinite"):
        sm.tune(DENSE, (x, y), settings=QUICK, progress=False)


def test_data_of_another_shape() -> None:
    x, y = digits(64)
    with pytest.raises(sm.InputError, match="shape"):
        sm.tune(DENSE, (x[..., :7], y), settings=QUICK, progress=False)


def test_labels_that_the_output_cannot_be() -> None:
    x, y = digits(64)
    with pytest.raises(sm.InputError, match="label 19, but the network has 10 outputs"):
        sm.tune(DENSE, (x, y + 10), settings=QUICK, progress=False)


def test_what_the_module_does_not_compute_is_refused(tmp_path: Path) -> None:
    """Transposed convolutions, amounts per neuron, guarded resets, integers."""
    snn = pytest.importorskip("snntorch")
    torch.manual_seed(0)
    x = (torch.rand(6, 10, 4) < 0.4).float()

    def leaky(beta: Any, **more: Any) -> Any:
        layers = [torch.nn.Linear(4, 8), snn.Leaky(beta=beta, init_hidden=True, **more)]
        return torch.nn.Sequential(*layers)

    live = {"sample": x, "steps": 10, "readout": "sum", "encoding": "sequence"}
    write_net(tmp_path / "a.net", NETWORKS["two dense layers"](), 12)
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (WEIGHTS / "digits-unet.pt", {}, "a transposed convolution, which tuning does not know"),
        (leaky(torch.linspace(0.5, 0.9, 8)), live, "takes another amount at a spike of each neuron"),
        (leaky(0.9, reset_delay=False), live, "has a guarded reset (reset_delay=False)"),
        (tmp_path / "a.net", {}, "is made of integers already, and nothing is left to tune"),
    ]
    for source, given, found in cases:
        with pytest.raises(sm.InputError, match=re.escape(found)):
            sm.torch_module(source, **given)


def test_nothing_to_train() -> None:
    with pytest.raises(sm.InputError, match="has nothing to train"):
        tuned(settings=replace(QUICK, learn=()))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"learn": ("delays",)}, "learn 'delays': cannot learn"),
        ({"epochs": 0}, "epochs: is 0"),
        ({"rate": float("nan")}, "rate: is nan"),
        ({"validation": 1.0}, "validation: is 1.0"),
        ({"device": "nowhere"}, "device 'nowhere'"),
    ],
)
def test_settings_that_cannot_be(change: Any, found: str) -> None:
    with pytest.raises(sm.InputError) as raised:
        tuned(settings=replace(QUICK, **change))
    assert found in str(raised.value)


def test_too_few_samples() -> None:
    x, y = digits(1)
    with pytest.raises(sm.InputError, match="1 samples, of which 1 would be held out"):
        sm.tune(DENSE, (x, y), settings=QUICK, progress=False)


# the user's own module


def test_weights_go_back_to_the_module_they_came_from() -> None:
    norse = pytest.importorskip("norse.torch")

    torch.manual_seed(0)
    net = norse.SequentialState(
        torch.nn.Linear(64, 32), norse.LIFCell(), torch.nn.Linear(32, 10), norse.LICell()
    )  # fmt: skip
    x, y = digits(96)
    flat = x.reshape(len(x), 64) * 3
    known: dict[str, Any] = {"sample": flat[:4], "steps": 6, "readout": "last", "input_range": (0.0, 3.0)}
    made = sm.tune(net, (flat, y), weight_bits=3, settings=QUICK, progress=False, **known)
    assert made.load_into(net) == ("0", "2")
    again = sm.Model.from_module(net, **known)
    wanted = made.model.graph
    for name in ("0", "2"):
        mine, theirs = (sm.compile(m, progress=False).program for m in (again, made.model))
        assert [q.name for q in mine.projections] == [q.name for q in theirs.projections]
        ratio = again.graph[name].op.weight / np.where(wanted[name].op.weight == 0, np.nan, wanted[name].op.weight)
        assert np.nanstd(ratio) < 1e-5 * abs(np.nanmean(ratio))
