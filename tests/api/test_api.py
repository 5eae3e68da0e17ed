"""The public API on a live module, arrays, tensors, loaders: the same integers by every way, and what is refused."""

# ruff: noqa: E402

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")

from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import seamount as sm
from seamount.results.blocks import Shown
from tests.cli.running import call


class Net(nn.Module):
    """Two layers of leaky neurons that hold their states."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.lif1 = nn.Linear(12, 9), snn.Leaky(0.9, init_hidden=True)
        self.fc2, self.lif2 = nn.Linear(9, 4), snn.Leaky(0.8, init_hidden=True)

    def forward(self, x: Any) -> Any:
        return self.lif2(self.fc2(self.lif1(self.fc1(x))))


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(1)
    made = Net().eval()
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(4)
    return made


@pytest.fixture(scope="module")
def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    return torch.tensor(rng.random((30, 6, 12)) < 0.4).float(), torch.tensor(rng.integers(0, 4, 30))


@pytest.fixture(scope="module")
def artifact(net: Net, data: tuple[Any, Any]) -> sm.Artifact:
    return sm.compile(net, sample=data[0][:4], readout="sum", progress=False)


def test_a_live_module_compiles_to_what_its_file_does(net: Net, data: tuple[Any, Any], tmp_path: Path) -> None:
    sm.save(net, tmp_path / "net.pt", sample=data[0][:4], readout="sum", name="Net")
    live = sm.compile(net, sample=data[0][:4], readout="sum")
    live.save(tmp_path / "live")
    sm.compile(tmp_path / "net.pt").save(tmp_path / "api")
    assert call(["compile", str(tmp_path / "net.pt"), "-o", str(tmp_path / "command"), "-q"]).code == 0
    for name in ("manifest.json", "program.json", "arrays.npz", "vectors.npz", "analysis.json"):
        expected = (tmp_path / "command" / name).read_bytes()
        assert (tmp_path / "api" / name).read_bytes() == expected
        assert (tmp_path / "live" / name).read_bytes() == expected


class Items(Dataset):  # type: ignore[type-arg]
    """A data set of its own kind."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.x[i], int(self.y[i])


WAYS = {
    "arrays": lambda x, y: (x.numpy(), y.numpy()),
    "tensors": lambda x, y: (x, y),
    "lists of labels": lambda x, y: (x, y.tolist()),
    "pair": lambda x, y: ((x, y), None),
    "by input": lambda x, y: ({"input": x}, y),
    "doubles": lambda x, y: (x.double(), y.int()),
    "tensor data set": lambda x, y: (TensorDataset(x, y), None),
    "own data set": lambda x, y: (Items(x, y), None),
    "loader": lambda x, y: (DataLoader(TensorDataset(x, y), batch_size=7), None),
    "generator": lambda x, y: (((x[i : i + 4], y[i : i + 4]) for i in range(0, len(y), 4)), None),
    "list of batches": lambda x, y: ([(x[:10], y[:10]), (x[10:], y[10:])], None),
    "needs gradients": lambda x, y: (x.clone().requires_grad_(), y),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_answers_by_every_way(way: str, artifact: sm.Artifact, data: tuple[Any, Any]) -> None:
    expected = artifact.run(data[0].numpy(), data[1].numpy(), record=["spikes"], backend="reference")
    x, y = WAYS[way](*data)
    run = artifact.run(x, y, record=["spikes", "u", "v"], batch_size=8)
    assert np.array_equal(run.predictions, expected.predictions) and run.accuracy == expected.accuracy
    assert np.array_equal(run.scores, expected.scores)
    assert run.counts.differences(expected.counts) == []
    assert {k: v.shape for k, v in run.spikes.items()} == {"lif1": (30, 6, 9), "lif2": (30, 6, 4)}
    assert all(np.array_equal(run.spikes[k], v) for k, v in expected.spikes.items())
    assert set(run.u) == set(run.v) == {"lif1", "lif2"}


def test_unlabelled_data_run(artifact: sm.Artifact, data: tuple[Any, Any]) -> None:
    labelled, run = artifact.run(*data), artifact.run(data[0])
    assert run.accuracy is None and np.array_equal(run.predictions, labelled.predictions)
    assert "30 samples without labels" in str(run) and run.to_dict()["accuracy"] is None


def test_steps_are_an_argument_of_the_run(artifact: sm.Artifact, data: tuple[Any, Any]) -> None:
    run = artifact.run(data[0], steps=3, record=["spikes"])
    assert run.steps == 3 and run.spikes["lif1"].shape == (30, 3, 9)
    assert np.array_equal(run.predictions, artifact.run(data[0][:, :3], steps=3).predictions)


REFUSED = {
    "text": (lambda x, y: ("digits", None), "is a str"),
    "number": (lambda x, y: (3, None), "is a int"),
    "nothing": (lambda x, y: ([], None), "holds no samples"),
    "wrong shape": (lambda x, y: (x[:, :, :5], None), "has shape"),
    "too few labels": (lambda x, y: (x, y[:3]), "30 samples but 3 labels"),
    "label beyond": (lambda x, y: (x, y + 9), "but the network has 4 outputs"),
    "fractions": (lambda x, y: (x, y.float() + 0.5), "fractions or NaN"),
    "negative label": (lambda x, y: (x, y - 9), "number the classes from 0"),
    "half labelled": (lambda x, y: ([(x, y), x], None), "some batches have labels"),
    "NaN": (lambda x, y: (x * float("nan"), None), "NaN or infinite"),
    "texts": (lambda x, y: (np.full((2, 6, 12), "a"), None), "give real numbers"),
    "other input": (lambda x, y: ({"eye": x}, None), "belongs to no input"),
    "ragged": (lambda x, y: ([[x[0].numpy(), [1]]], None), ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_data_that_do_not_fit(case: str, artifact: sm.Artifact, data: tuple[Any, Any]) -> None:
    made, message = REFUSED[case]
    x, y = made(*data)
    with pytest.raises(sm.InputError) as error:
        artifact.run(x, y)
    assert message in str(error.value) and error.value.problems


def test_what_else_is_refused(artifact: sm.Artifact, net: Net, data: tuple[Any, Any], tmp_path: Path) -> None:
    cases: list[tuple[Any, str]] = [
        (lambda: sm.compile(net), "needs sample= and readout="),
        (lambda: sm.compile(3), "is a int"),
        (lambda: sm.compile("gone.pt"), "does not exist"),
        (lambda: sm.compile(tmp_path / "gone.pt", sample=data[0]), "is for a live module"),
        (lambda: sm.compile(net, sample=data[0][:2], readout="sum", target="loihi9"), "does not exist"),
        (lambda: artifact.run(data[0], record=["w"]), "cannot be recorded"),
        (lambda: artifact.run(data[0], backend="moon"), "does not exist"),
        (lambda: artifact.run(data[0]).plot_raster(), "no recorded layer"),
        (lambda: sm.price(artifact), "has not run"),
        (lambda: sm.price(3), "was given a int"),
        (lambda: sm.diff(artifact, 4), "is a int"),
        (lambda: sm.load_artifact(tmp_path), "manifest.json"),
    ]
    for action, message in cases:
        with pytest.raises(sm.SeamountError) as error:
            action()
        assert message in str(error.value), message


def test_a_file_is_named_for_what_it_is(net: Net, data: tuple[Any, Any], artifact: sm.Artifact, tmp_path: Path) -> None:
    sm.save(net, tmp_path / "net.pt", sample=data[0][:2], readout="sum")
    artifact.run(*data).save(tmp_path / "run")
    with pytest.raises(sm.InputError, match="is a model, not an artifact"):
        sm.load_artifact(tmp_path / "net.pt")
    with pytest.raises(sm.InputError, match="is a kept run, not an artifact"):
        sm.load_artifact(tmp_path / "run")


def test_every_result_shows_itself(net: Net, data: tuple[Any, Any], artifact: sm.Artifact) -> None:
    model = sm.Model.from_module(net, sample=data[0][:4], readout="sum")
    run = artifact.run(*data)
    results: list[Shown] = [
        model, run, sm.check(model, data, lava="no"), sm.check(artifact, lava="no"), sm.diff(artifact, artifact),
        sm.ranges(artifact), sm.fit(artifact), sm.price(run), sm.targets(), sm.target("loihi2"), sm.passes(),
        sm.costs(), sm.costs("loihi1"), sm.networks(), sm.check_vectors(artifact),
        sm.evaluate(model, data, weight_bits=[8], steps=[2]),
    ]  # fmt: skip
    for result in results:
        assert str(result) == repr(result) != "" and len(result._repr_html_()) > len("<div></div>")
        assert result.to_dict()
        assert len(str(result).splitlines()) == len([line for line in str(result).splitlines() if len(line) <= 400])
    assert list(sm.fit(artifact).to_frame("populations")["population"]) == ["lif1", "lif2"]
    with pytest.raises(sm.InputError, match="one of"):
        run.to_frame("nothing")


def test_html_is_escaped(artifact: sm.Artifact) -> None:
    from seamount.results.blocks import as_html, table

    found = as_html([table("<b>", ("<i>",), [("<script>",)]), "<u>"])
    assert "<script>" not in found and "<i>" not in found and "<u>" not in found


def test_pictures(artifact: sm.Artifact, data: tuple[Any, Any]) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    run = artifact.run(*data, record=["spikes", "v"])
    spikes = sum(int(s[0].sum()) for s in run.spikes.values())
    assert sum(len(c.get_offsets()) for c in run.plot_raster().collections) == spikes
    assert len(run.plot_membranes("lif1", [0, 5]).lines) == 3
    assert len(run.plot_rates().patches) == 3
    assert len(sm.check(artifact, data, lava="no").plot().patches) == 1
    assert sm.price(run, sets=["45nm"]).plot().get_xlabel().startswith("energy")
    assert len(sm.fit(artifact).plot().patches) == sm.fit(artifact).cores
    pyplot.close("all")


def test_a_run_is_kept_and_reported(artifact: sm.Artifact, data: tuple[Any, Any], tmp_path: Path) -> None:
    run = artifact.run(*data)
    run.save(tmp_path / "run")
    report = sm.report(tmp_path / "run")
    assert sm.report(run).text("json") == report.text("json")
    assert report.save(tmp_path / "run.html").read_text().startswith("<!")
    with pytest.raises(sm.InputError, match="exists"):
        run.save(tmp_path / "run")
    artifact.run(DataLoader(TensorDataset(*data), batch_size=4)).save(tmp_path / "run", overwrite=True)
    assert sm.report(tmp_path / "run").to_dict()["samples"] == 30


def test_progress_is_called_and_nothing_prints(
    artifact: sm.Artifact, data: tuple[Any, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str, int, int]] = []
    artifact.run(*data, batch_size=10, progress=lambda *now: seen.append(now))
    assert seen == [("run on vectorized", 10, 30), ("run on vectorized", 20, 30), ("run on vectorized", 30, 30)]
    sm.check(artifact, data, lava="auto")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_an_interrupt_is_raised(artifact: sm.Artifact, data: tuple[Any, Any]) -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        artifact.run(*data, batch_size=10, progress=stop)


LIGHT = """
import sys, seamount
heavy = {"torch", "norse", "snntorch", "spikingjelly", "nir", "h5py", "rich", "typer", "networkx", "numba", "numpy"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert set(seamount.__all__) <= set(dir(seamount))
"""


def test_importing_costs_nothing() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_every_public_name_is_there_and_documented() -> None:
    for name in sm.__all__:
        found = getattr(sm, name)
        assert name == "__version__" or (found.__doc__ or "").strip(), name
    calls = ["compile", "load", "load_artifact", "check", "diff", "ranges", "fit", "price", "evaluate", "report"]
    for name in [*calls, "export_lava", "check_import", "check_recording", "targets", "inspect"]:
        assert "Example:" in getattr(sm, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sm.nothing  # type: ignore[attr-defined]
