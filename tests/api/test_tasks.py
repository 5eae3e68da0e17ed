"""Networks judged by what they answer: real values, groups of outputs, pixels, nothing; with labels and without."""

# ruff: noqa: E402

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

from torch import nn

import seamount as sm
from seamount.compiler.codes import Task
from seamount.compiler.ir.interpreter import interpret
from tests.cli.running import call, plain


class Regression(nn.Module):
    """The official regression tutorial: one output that never fires."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(4, 32), snn.Leaky(0.9)
        self.fc2, self.out = nn.Linear(32, 1), snn.Leaky(0.9, reset_mechanism="none")

    def forward(self, x: Any) -> Any:
        mem1, mem2, values = self.lif1.init_leaky(), self.out.init_leaky(), []
        for x_t in x:
            spikes, mem1 = self.lif1(self.fc1(x_t), mem1)
            _, mem2 = self.out(self.fc2(spikes), mem2)
            values.append(mem2)
        return torch.stack(values)


class Outputs(nn.Module):
    """One layer that fires."""

    def __init__(self, inputs: int, outputs: int, convolved: bool = False) -> None:
        super().__init__()
        self.fc = nn.Conv2d(inputs, outputs, 3, padding=1) if convolved else nn.Linear(inputs, outputs)
        self.lif = snn.Leaky(0.8, init_hidden=True)

    def forward(self, x: Any) -> Any:
        return self.lif(self.fc(x))


def spikes(*shape: int) -> Any:
    return torch.tensor(np.random.default_rng(5).random(shape) < 0.4).float()


def scaled(net: Any, factor: float = 3.0) -> Any:
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(factor)
    return net.eval()


@pytest.fixture(scope="module")
def x() -> Any:
    return spikes(40, 6, 4)


@pytest.fixture(scope="module")
def regression() -> Any:
    torch.manual_seed(0)
    return scaled(Regression())


@pytest.fixture(scope="module")
def in_float(regression: Any, x: Any) -> Any:
    with torch.no_grad():
        return regression(x.transpose(0, 1))[-1].numpy().astype(np.float64)


@pytest.fixture
def model(regression: Any, x: Any, tmp_path: Path) -> Path:
    sm.save(regression, tmp_path / "net.pt", sample=x[:20], readout="last")
    return tmp_path / "net.pt"


def test_a_single_output_is_a_real_value(model: Path, x: Any, in_float: Any) -> None:
    artifact = sm.compile(model)
    assert artifact.outputs[0].task is Task.VALUES
    y = in_float + np.random.default_rng(1).normal(0, 0.1, in_float.shape)
    run = artifact.run(x, y)
    values = run.predictions
    assert values.shape == (40, 1) and np.array_equal(values, run.scores)
    rms = np.sqrt(np.mean((values - y) ** 2))
    assert run.metrics.rms == pytest.approx(rms) and run.accuracy is None
    assert run.metrics.correlation == pytest.approx(np.corrcoef(values.ravel(), y.ravel())[0, 1])
    assert run.metrics.r2 == pytest.approx(1 - np.mean((values - y) ** 2) / np.var(y))
    assert f"RMS error {rms:.4g}" in str(run)
    assert run.to_dict()["metrics"]["rms"] == run.metrics.rms


def test_agreement_is_refused_for_real_values(model: Path) -> None:
    """At two bits the values are far off, which no share of equal classes shows."""
    ran = call(["check", str(model), "--weight-bits", "2", "--require", "agreement>=98%", "--lava", "no"])
    assert ran.code == 1
    assert "agreement is a measure of classes, and the network answers with real values" in ran.err
    assert "rms<=N" in ran.err


def test_real_values_are_required(model: Path, x: Any, in_float: Any) -> None:
    found = sm.check(model, (x, in_float), weight_bits=2, require=["rms<=0.05", "correlation>=0.2"], lava="no")
    (problem,) = found.problems
    integer = found.ladder.ran.scores  # type: ignore[union-attr]
    rms = float(np.sqrt(np.mean((integer - in_float) ** 2)))
    assert rms > 0.05 and problem.where == "require rms<=0.05" and problem.found == f"rms is {rms:.4g}"
    assert sm.check(model, (x, in_float), require=["rms<=0.2", "r2>=0.9", "rms-error<=0.2"], lava="no").ok
    assert "RMS from graph" in str(found) and "same answer" not in str(found)
    (wrong,) = sm.check(model, require=["accuracy>=1%"], lava="no").problems
    assert "a measure of classes" in wrong.found


def test_compile_compares_real_values(model: Path, tmp_path: Path) -> None:
    ran = call(["compile", str(model), "-o", str(tmp_path / "a"), "--json", str(tmp_path / "c.json")])
    assert "integer values beside the framework's: RMS difference" in plain(ran.out)
    assert "equals the framework's" not in ran.out
    tree = json.loads((tmp_path / "c.json").read_text())
    assert tree["golden_likeness"]["correlation"] > 0.9 and "golden_agreement" not in tree


def test_real_values_are_evaluated(model: Path, x: Any, in_float: Any) -> None:
    found = sm.evaluate(model, (x, in_float), weight_bits=[8, 2], steps=[6], exact_samples=2)
    eight, two = found.models[0]["integers"]
    assert two["likeness"]["rms"] > 2 * eight["likeness"]["rms"]
    assert eight["measures"]["r2"] > 0.9 and eight["accuracy"] is None
    assert found.models[0]["float_measures"]["6"]["rms"] < 1e-5
    assert "RMS error, integers" in str(found)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_run_of_real_values_is_kept_and_reported(
    model: Path, x: Any, in_float: Any, tmp_path: Path, labelled: bool
) -> None:
    parts = {"x": x.numpy(), **({"y": in_float.ravel()} if labelled else {})}
    np.savez(tmp_path / "data.npz", **parts)
    assert call(["compile", str(model), "-o", str(tmp_path / "a"), "-q"]).code == 0
    words = ["run", str(tmp_path / "a"), "--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "r")]
    ran = call(words)
    assert ran.code == 0, ran.err
    assert ("RMS error" in ran.out) == labelled and ("40 samples without labels" in ran.out) != labelled
    report = sm.report(tmp_path / "r")
    assert ("RMS error in integers" in report.text("md")) == labelled
    for form in ("html", "md", "json", "csv"):
        assert "Accuracy in integers" not in report.text(form)  # type: ignore[arg-type]
    checked = call(
        ["check", str(model), "--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "c"), "--lava", "no"]
    )
    assert checked.code == 0, checked.err
    assert "RMS difference" in sm.report(tmp_path / "c").text("md")


def test_neighbouring_outputs_are_a_class(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net, x = scaled(Outputs(5, 30)), spikes(50, 6, 5)
    with torch.no_grad():
        counts = sum(net(x[:, t]) for t in range(6)).numpy()
    grouped = counts.reshape(50, 3, 10).sum(axis=2).argmax(axis=1)
    sm.save(net, tmp_path / "net.pt", sample=x[:8], readout="sum", classes=["a", "b", "c"])
    artifact = sm.compile(tmp_path / "net.pt")
    assert artifact.outputs[0].task is Task.POPULATION and artifact.outputs[0].groups == 3
    run = artifact.run(x, grouped)
    assert run.accuracy is not None and run.accuracy > 0.8
    sums = run.readout["output"].reshape(50, 3, 10).sum(axis=2)
    assert np.array_equal(run.predictions, sums.argmax(axis=1))
    named = artifact.run(x, np.array(["a", "b", "c"])[grouped])
    assert named.accuracy == run.accuracy
    with pytest.raises(sm.InputError, match="label 3, but the network has 3 classes"):
        artifact.run(x, grouped + 1)
    run.save(tmp_path / "r")
    report = sm.report(tmp_path / "r").to_dict()
    assert report["confusion"]["names"] == ["a", "b", "c"]


def test_class_names_that_fit_no_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(sm.InputError, match="4 class names for 30 outputs"):
        sm.save(Outputs(5, 30), tmp_path / "n.pt", sample=spikes(4, 6, 5), readout="sum", classes="abcd")
    with pytest.raises(sm.InputError, match="'regress'"):
        sm.save(Outputs(5, 30), tmp_path / "n.pt", sample=spikes(4, 6, 5), readout="sum", task="regress")


def test_pixels_have_classes_each(tmp_path: Path) -> None:
    torch.manual_seed(4)
    net, x = scaled(Outputs(2, 3, convolved=True)), spikes(20, 6, 2, 4, 4)
    y = np.random.default_rng(0).integers(0, 3, (20, 4, 4))
    y[0, 0] = -1
    sm.save(net, tmp_path / "net.pt", sample=x[:8], readout="sum", labels=y[:8])
    artifact = sm.compile(tmp_path / "net.pt")
    assert artifact.outputs[0].task is Task.PIXELS
    run = artifact.run(x, y)
    found = run.readout["output"].argmax(axis=1)
    assert np.array_equal(run.predictions, found) and found.shape == y.shape
    known = y >= 0
    assert run.accuracy == pytest.approx(np.mean(found[known] == y[known]))
    overlap = [
        np.sum((found == k) & (y == k)) / np.sum(((found == k) | (y == k)) & known) for k in range(3)
    ]  # fmt: skip
    assert run.metrics.iou == pytest.approx(np.mean(overlap))
    checked = sm.check(tmp_path / "net.pt", (x, y), require=["iou-drop<=20%", "iou>=99%"], lava="no")
    assert [p.where for p in checked.problems] == ["require iou>=99%"] and "mean IoU" in str(checked)
    run.save(tmp_path / "r")
    assert "mean intersection over union" in sm.report(tmp_path / "r").text("md")


def test_an_output_without_a_task_has_no_accuracy(tmp_path: Path) -> None:
    artifact = sm.compile(scaled(Outputs(5, 4)), sample=spikes(8, 6, 5), readout="sum", task="none", progress=False)
    run = artifact.run(spikes(8, 6, 5), np.zeros(8, int))
    assert run.accuracy is None and run.labels is None and run.metrics.known() == {}


@pytest.fixture(scope="module")
def classes() -> Any:
    torch.manual_seed(6)
    return sm.compile(scaled(Outputs(5, 4)), sample=spikes(8, 6, 5), readout="mean", progress=False)


def test_text_labels_need_names(classes: Any) -> None:
    with pytest.raises(sm.InputError, match=r"integers 0\.\.classes-1"):
        classes.run(spikes(2, 6, 5), np.array(["cat", "dog"]))


def test_data_longer_than_t_is_said(classes: Any, tmp_path: Path) -> None:
    x = spikes(10, 9, 5)
    run = classes.run(x)
    assert run.unused_steps == 3 and run.to_dict()["unused_steps"] == 3
    (note,) = run.notes
    assert note.startswith("the samples last 9 steps, of which the first 6 are run")
    assert np.array_equal(run.predictions, classes.run(x[:, :6]).predictions)
    assert classes.run(x, steps=9).notes == () and "unused_steps" not in classes.run(x[:, :6]).to_dict()
    classes.save(tmp_path / "a")
    np.savez(tmp_path / "d.npz", x=x)
    for command in ("run", "check"):
        words = [command, str(tmp_path / "a"), "--data", str(tmp_path / "d.npz"), "-o", str(tmp_path / command)]
        ran = call([*words, *(("--lava", "no") if command == "check" else ())])
        assert ran.code == 0 and "the samples last 9 steps" in ran.out + ran.err
        assert "the samples last 9 steps" in sm.report(tmp_path / command).text("md")


@pytest.mark.parametrize("way", ["array", "npz", "function"])
def test_sequences_of_different_lengths_run_their_own(
    classes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    lengths, x = np.array([3, 8, 5, 8, 3]), spikes(5, 8, 5).numpy()
    alone = [classes.run(x[k : k + 1, :n], steps=int(n)) for k, n in enumerate(lengths)]
    expected = np.concatenate([run.scores for run in alone])
    if way == "array":
        run = classes.run(x, np.zeros(5, int), lengths=lengths, record=["spikes"])
        assert np.allclose(run.scores, expected) and run.notes == ()
        assert run.counts.updates == {"lif": sum(4 * lengths)}
        assert sum(run.counts.spike_totals.values()) == sum(sum(r.counts.spike_totals.values()) for r in alone)
        assert not run.spikes["lif"][0, 3:].any() and run.labels is not None
        with pytest.raises(sm.InputError, match="not kept as a run"):
            run.save(tmp_path / "r")
        with pytest.raises(sm.InputError, match="a sample lasts 3 steps"):
            classes.run(x, lengths=lengths, steps=6)
        return
    classes.save(tmp_path / "a")
    np.savez(tmp_path / "d.npz", x=x, lengths=lengths)
    code = f"import numpy as np\nd = np.load({str(tmp_path / 'd.npz')!r})\n"
    code += "def made():\n    return [x[:n] for x, n in zip(d['x'], d['lengths'])], None\n"
    (tmp_path / "own_lengths.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    name = "d.npz" if way == "npz" else "own_lengths:made"
    ran = call(["run", "a", "--data", name, "--json", "out.json"])
    assert ran.code == 0, ran.err
    tree = json.loads(Path("out.json").read_text())
    assert tree["lengths"] == lengths.tolist() and np.allclose(tree["scores"], expected, atol=1e-6)
    refused = call(["check", "a", "--data", name, "--lava", "no"])
    assert refused.code == 2 and "the samples last 3 to 8 steps" in refused.err
    assert call(["check", "a", "--data", name, "--lava", "no", "--steps", "3"]).code == 0


def test_bits_take_names_of_neurons_and_weights(model: Path, x: Any, tmp_path: Path) -> None:
    wide, narrow = (sm.compile(model, bits=bits) for bits in ({}, {"lif1": 3}))
    by_weights = sm.compile(model, bits={"fc1": 3})
    assert {r.layer: r.bits for r in narrow.manifest.layers} == {"fc1": 3, "fc2": 8}
    assert np.array_equal(narrow.run(x).scores, by_weights.run(x).scores)
    assert not np.array_equal(narrow.run(x).scores, wide.run(x).scores)
    found = sm.check(model, bits={"lif1": 3}, lava="no")
    assert found.tables()["layers"].rows[0][:2] == ("lif1", "fc1")
    np.savez(tmp_path / "d.npz", x=x)
    words = ["evaluate", str(model), "--data", str(tmp_path / "d.npz"), "--steps", "6", "--bits", "lif1=3"]
    ran = call([*words, "--weight-bits", "8", "--json", str(tmp_path / "e.json"), "--lava", "no"])
    assert ran.code == 0, ran.err
    (row,) = json.loads((tmp_path / "e.json").read_text())["models"][0]["integers"]
    assert row["likeness"]["rms"] == pytest.approx(found_rms(narrow, model, x), rel=0.01)
    assert call([*words[:-1], "lif7=3"]).code == 2


def found_rms(narrow: Any, model: Path, x: Any) -> float:
    """RMS difference of the narrow integers from the float network."""
    loaded = sm.load(model)
    values = interpret(loaded.graph, loaded.stepped(x.numpy(), 6), record=set()).outputs["output"]
    return float(np.sqrt(np.mean((narrow.run(x).scores - values) ** 2)))
