"""The grid runner on the digits: complete, in pairs, restartable, and the same as runs that nothing shares."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
pytest.importorskip("sklearn")

from seamount.compiler.errors import InputError  # noqa: E402
from seamount.frontends import load_model  # noqa: E402
from seamount.models.comparison import __main__, grid  # noqa: E402
from seamount.models.comparison.grid import Place, places, read_json  # noqa: E402
from seamount.models.comparison.settings import SETTINGS, Setting, Variant  # noqa: E402
from seamount.models.networks.registry import maker  # noqa: E402
from seamount.models.recipes import job  # noqa: E402
from seamount.models.recipes.etc import Etc  # noqa: E402
from seamount.models.recipes.one_step import OneStep  # noqa: E402
from seamount.models.recipes.pipe import PipeS  # noqa: E402
from seamount.models.recipes.plain import Plain  # noqa: E402
from seamount.models.recipes.training import Schedule  # noqa: E402

TINY = Setting(
    "tiny", "digits", "digits", "4C3-AP2-6C3", 2,
    {
        "plain": Variant(Plain()),
        "clip": Variant(PipeS(tuning_epochs=0)),
        "tuned, etc": Variant(PipeS(tuning_epochs=1, tuning=Etc()), 0, start="clip"),
        "one-step": Variant(OneStep(), 1, "grouped", "digits-quadrants", limit=64, reads=(1,)),
    },
    (), batch=32, limit=256,
)  # fmt: skip


class _Stopped(Exception):
    pass


def stop(phase: str, done: int, total: int, terms: dict[str, float]) -> None:
    raise _Stopped


def complete(folder: Path, seeds: range = range(1)) -> list[str]:
    lines: list[str] = []
    grid.run(list(places([TINY], seeds, folder)), None, 1, lambda done, line: lines.append(f"{done} {line}"))
    return lines


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    assert [line.split(":")[0] for line in complete(folder)] == [
        "1 tiny-0-plain", "2 tiny-0-clip", "3 tiny-0-tuned-etc", "4 tiny-0-one-step",
    ]  # fmt: skip
    return folder


def tree(folder: Path, name: str) -> dict[str, object]:
    return read_json(Place(TINY, name, 0, folder).file("json"))


def test_results_say_what_was_run(done: Path) -> None:
    plain = tree(done, "plain")
    assert (plain["setting"], plain["variant"], plain["seed"], plain["data"]) == ("tiny", "plain", 0, "digits")
    assert list(plain["accuracy"]) == ["1", "2", "4"] and 0.3 < plain["accuracy"]["4"] < 1  # type: ignore[call-overload, index]
    assert [len(e["curve"]) for e in plain["history"]] == [8, 8]  # type: ignore[attr-defined]
    assert list(tree(done, "one-step")["accuracy"]) == ["1"]  # type: ignore[call-overload]
    assert not list(done.glob("*.part"))


def test_samples_that_the_limit_left_out_are_tested_on(done: Path) -> None:
    # 1,437 - 256 training digits beside the 360 test digits.
    right = tree(done, "plain")["accuracy"]["4"] * (1437 - 256 + 360)  # type: ignore[index]
    assert right == pytest.approx(round(right), abs=1e-6)


def test_a_finished_grid_is_not_run_again(done: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in done.iterdir()}
    assert complete(done) == []
    assert {p: p.stat().st_mtime_ns for p in done.iterdir()} == before


def test_model_files_load(done: Path) -> None:
    for name in TINY.variants:
        path = Place(TINY, name, 0, done).file("pt")
        loaded = load_model(path)
        assert (
            loaded.name == path.stem
            and loaded.golden.labels is not None
            and len(loaded.golden.labels) == 3
            and loaded.accuracy is not None
        )


def test_tuning_from_shared_pretraining_is_the_whole_recipe_bit_for_bit(done: Path) -> None:
    whole = job.run(job.Job(PipeS(tuning_epochs=1, tuning=Etc()), TINY.network, "digits", 0, Schedule(2, 32), 256))
    kept = torch.load(Place(TINY, "tuned, etc", 0, done).file("ckpt"), weights_only=True)["weights"]
    assert all(torch.equal(kept[k], v) for k, v in whole.network.state_dict().items() if k in kept)
    assert tree(done, "tuned, etc")["seconds"] > tree(done, "clip")["seconds"]  # type: ignore[operator]


def test_a_stopped_run_goes_on_and_ends_the_same(done: Path, tmp_path: Path) -> None:
    first = [Place(TINY, "plain", 0, tmp_path)]
    with pytest.raises(_Stopped):
        grid.run(first, None, 1, print, stop)
    assert first[0].file("ckpt").exists() and not first[0].file("json").exists()
    grid.run(first, None, 1, print)
    again, whole = tree(tmp_path, "plain"), tree(done, "plain")
    assert again["resumed"] and not whole["resumed"]
    assert [again[k] for k in ("accuracy", "divergence", "history")] == [
        whole[k] for k in ("accuracy", "divergence", "history")
    ]


def test_seeds_come_first_so_that_a_stopped_grid_has_pairs(tmp_path: Path) -> None:
    order = list(places([TINY, replace(TINY, name="other")], range(2), tmp_path))
    assert [(p.seed, p.setting.name) for p in order[::4]] == [(0, "tiny"), (0, "other"), (1, "tiny"), (1, "other")]
    assert len({p.file("json") for p in order}) == len(order) == 16


def test_settings_are_consistent() -> None:
    for setting in SETTINGS.values():
        names = list(setting.variants)
        for pair in setting.pairs:
            for name in (pair.a, pair.b):
                assert pair.steps in setting.variants[name].reads and not setting.variants[name].aside
        for i, variant in enumerate(setting.variants.values()):
            assert variant.start is None or variant.start in names[:i], "it would have to be there already"
            maker(variant.network or setting.network)


def test_missing_start_and_damaged_results_are_said(tmp_path: Path) -> None:
    alone = [Place(TINY, "tuned, etc", 0, tmp_path)]
    with pytest.raises(InputError, match=r"tiny-0-clip\.ckpt"):
        grid.run(alone, None, 1, print)
    bad = tmp_path / "tiny-0-plain.json"
    bad.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="delete it, and run the grid again"):
        read_json(bad)


def test_command_line_runs_a_grid_and_shows_each_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(__main__, "SETTINGS", {"tiny": replace(TINY, variants={"plain": Variant(Plain(), 1)})})
    assert __main__.main(["tiny", "--seeds", "2", "-o", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if "tiny" in line] == ["1/2 tiny-0-plain", "2/2 tiny-1-plain"]
    assert {p.name for p in tmp_path.glob("*.json")} == {"tiny-0-plain.json", "tiny-1-plain.json"}


def test_command_line_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["imagenet", "-o", str(tmp_path)])
    assert "unknown: imagenet" in capsys.readouterr().err
    missing = ["fashion-mnist", "--data-folder", str(tmp_path / "none"), "-o", str(tmp_path / "made")]
    assert __main__.main(missing) == 2 and "no folder" in capsys.readouterr().out
    assert json.dumps(sorted(p.name for p in (tmp_path / "made").iterdir())) == "[]"
