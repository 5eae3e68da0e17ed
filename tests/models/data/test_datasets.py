"""The data loader: built-in names, the data folder, users' own samples, and what each fault says."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seamount.compiler.errors import InputError
from seamount.models.data import datasets, recorded
from seamount.models.data.datasets import load
from seamount.models.data.quadrants import quadrants
from seamount.models.data.samples import Data

pytest.importorskip("sklearn")

PIXELS = np.random.default_rng(3).integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2], np.uint8)


def packed(content: bytes) -> bytes:
    """Gzip without a time stamp, so that test names stay the same."""
    return gzip.compress(content, mtime=0)


def idx(array: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
    return head + array.tobytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data folder with a small Fashion-MNIST test split."""
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(packed(idx(PIXELS)))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(packed(idx(LABELS)))
    return tmp_path


def message(*arguments: object, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load(*arguments, **options)  # type: ignore[arg-type]
    return str(caught.value)


# digits


def test_digits_split_never_changes() -> None:
    digest = hashlib.sha256()
    for split, count in (("train", 1437), ("test", 360)):
        data = load("digits", split)
        assert data.x.shape == (count, 1, 8, 8) and data.x.dtype == np.float32 and data.y.shape == (count,)
        assert data.x.min() == 0 and data.x.max() == 1
        digest.update((data.x * 16).astype(np.uint8).tobytes() + data.y.astype(np.uint8).tobytes())
    assert digest.hexdigest()[:16] == "193fbfeb30c27500"


def test_digits_splits_share_no_sample_and_hold_all() -> None:
    from sklearn.datasets import load_digits

    both = np.concatenate([load("digits", s).x.reshape(-1, 64) for s in ("train", "test")]) * 16
    raw = load_digits().data
    assert sorted(map(bytes, both.astype(np.uint8))) == sorted(map(bytes, raw.astype(np.uint8)))


def test_digits_rows_are_the_same_images_as_sequences() -> None:
    rows, images = load("digits-rows"), load("digits")
    assert rows.encoding == "sequence" and images.encoding == "constant"
    assert np.array_equal(rows.x, images.x[:, 0]) and np.array_equal(rows.y, images.y)


def test_digits_without_scikit_learn_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "pip install 'seamount[data]'" in message("digits")


# idx files


def test_idx_pixels_labels_and_limit(root: Path) -> None:
    data = load("fashion-mnist", root=root, limit=5)
    assert np.array_equal(data.x[:, 0], PIXELS[:5] / np.float32(255)) and data.x.shape == (5, 1, 28, 28)
    assert data.y.tolist() == [3, 1, 4, 1, 5] and data.y.dtype == np.int64
    assert (data.encoding, data.low, data.high, data.classes[9]) == ("constant", 0.0, 1.0, "Ankle boot")


def test_folder_from_environment_and_of_the_user(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMOUNT_DATA", str(root))
    assert len(load("fashion-mnist").y) == 7
    monkeypatch.delenv("SEAMOUNT_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(root / "share"))
    (root / "share" / "seamount").mkdir(parents=True)
    (root / "share" / "seamount" / "data").symlink_to(root)
    assert len(load("fashion-mnist").y) == 7
    monkeypatch.delenv("XDG_DATA_HOME")
    assert datasets.user_folder() == Path.home() / ".local" / "share" / "seamount" / "data"


def test_missing_folder_names_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = message("mnist", root=tmp_path)
    assert f"no folder {tmp_path}/mnist" in text and "SEAMOUNT_DATA" in text
    monkeypatch.setenv("SEAMOUNT_DATA", str(tmp_path / "nowhere"))
    assert f"{tmp_path}/nowhere/mnist" in message("mnist")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (packed(idx(LABELS))[:-12], "is not a whole gzip file"),
        (b"not gzip at all", "is not a whole gzip file"),
        (packed(idx(PIXELS)), "begins with 00 00 08 03, not 00 00 08 01"),
        (packed(b""), "begins with nothing"),
        (packed(idx(LABELS)[:6]), "announces (), it holds 0 values"),
        (packed(idx(LABELS)[:-2]), "announces (7,), it holds 5 values"),
        (packed(idx(LABELS) + b"\0"), "announces (7,), it holds 8 values"),
        (packed(idx(LABELS[:6])), "7 samples but 6 labels"),
        (packed(idx(LABELS + np.uint8(7))), "label 16 but 10 classes"),
    ],
)
def test_bad_idx_files(root: Path, content: bytes, text: str) -> None:
    (root / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(content)
    assert text in message("fashion-mnist", root=root)


def test_missing_idx_file(root: Path) -> None:
    text = message("fashion-mnist", "train", root=root)
    assert "train-images-idx3-ubyte.gz: does not exist" in text


# CIFAR-10


def test_cifar_residual_decodes(tmp_path: Path) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (4, 3, 32, 32), dtype=np.uint8)
    z = np.stack([rgb[:, 1], rgb[:, 0] - rgb[:, 1], rgb[:, 2] - rgb[:, 1]], axis=1)
    d = np.diff(z, axis=3, prepend=np.zeros_like(z[..., :1]))
    d = np.diff(d, axis=2, prepend=np.zeros_like(d[:, :, :1]))
    (tmp_path / "cifar10").mkdir()
    np.savez(tmp_path / "cifar10" / "cifar10-test.npz", residual=d, labels=np.arange(4, dtype=np.uint8))
    data = load("cifar10", root=tmp_path)
    assert np.array_equal(np.rint(data.x * 255), rgb)
    np.savez(tmp_path / "cifar10" / "cifar10-test.npz", residual=d[:, :2], labels=np.arange(4))
    assert "residual is uint8 of shape (4, 2, 32, 32)" in message("cifar10", root=tmp_path)


# events


def events(**changes: object) -> dict[str, np.ndarray]:
    base = {
        "t": np.array([0, 84_010, 84_011, 336_040, 100], np.uint32),
        "x": np.array([0, 33, 33, 5, 7], np.uint8),
        "y": np.array([0, 2, 2, 6, 8], np.uint8),
        "p": np.array([0, 1, 1, 0, 1], np.uint8),
        "offsets": np.array([0, 4, 5], np.int64),
        "labels": np.array([7, 2], np.uint8),
    }
    return {**base, **changes}  # type: ignore[dict-item]


def write_events(root: Path, **changes: object) -> Path:
    (root / "nmnist").mkdir(exist_ok=True)
    np.savez(root / "nmnist" / "nmnist-test.npz", **events(**changes))
    return root


def test_nmnist_counts_per_bin(tmp_path: Path) -> None:
    data = load("nmnist", root=write_events(tmp_path), steps=4)
    assert data.x.shape == (2, 4, 2, 34, 34) and data.encoding == "sequence" and data.y.tolist() == [7, 2]
    assert data.x.sum() == 5
    assert data.x[0, 0, 0, 0, 0] == 1 and data.x[0, 3, 0, 6, 5] == 1 and data.x[1, 0, 1, 8, 7] == 1
    assert data.x[0, 0, 1, 2, 33] == 1 and data.x[0, 1, 1, 2, 33] == 1, "84,010 is in the first quarter"
    whole = load("nmnist", root=tmp_path, steps=1)
    assert whole.x[0, 0, 1, 2, 33] == 2 == whole.high


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"x": np.array([0, 34, 0, 0, 0], np.uint8)}, "'x' holds 34\n  remedy: values must lie in 0..33"),
        ({"t": np.array([0, 1, 2, 3, 400_000], np.uint32)}, "'t' holds 400000"),
        ({"p": np.zeros(4, np.uint8)}, "'p' has 4 events, 't' has 5"),
        ({"offsets": np.array([0, 5, 4])}, "offsets run from 0 to 4 over 5 events"),
        ({"offsets": np.array([0, 5])}, "2 offsets for 2 labels"),
        ({"labels": np.array([[7, 2]])}, "'labels' has shape (1, 2)"),
    ],
)
def test_bad_events(tmp_path: Path, changes: dict[str, np.ndarray], text: str) -> None:
    assert text in message("nmnist", root=write_events(tmp_path, **changes))


def test_event_bins_are_bounded(tmp_path: Path) -> None:
    text = message("nmnist", root=write_events(tmp_path), steps=10**6)
    assert "ask for fewer steps" in text and "1000000 steps would make" in text


def test_braille_channels_and_split(tmp_path: Path) -> None:
    (tmp_path / "braille").mkdir()
    count = 10
    np.savez(
        tmp_path / "braille" / "braille-letters-th10.npz",
        t=np.full(count, 650_000, np.uint32),
        taxel=np.arange(count, dtype=np.uint8),
        p=np.arange(count, dtype=np.uint8) % 2,
        offsets=np.arange(count + 1),
        labels=np.arange(count, dtype=np.uint8),
    )
    test, train = load("braille", "test", tmp_path, steps=2), load("braille", "train", tmp_path, steps=2)
    assert test.y.tolist() == [0, 5] and train.y.tolist() == [1, 2, 3, 4, 6, 7, 8, 9]
    assert test.x.shape == (2, 2, 24) and test.x.sum() == 2
    assert test.x[1, 0, 2 * 5 + 1] == 1, "650,000 is just before the middle; taxel 5, ON"
    assert len(recorded.BRAILLE_CLASSES) == 27
    seven = load("braille-7", "train", tmp_path, steps=2)
    assert seven.y.tolist() == [1, 3] and seven.classes == ("Space", "A", "E", "I", "O", "U", "Y")
    assert np.array_equal(seven.x, train.x[np.isin(train.y, (1, 9))])
    assert load("braille-7", "test", tmp_path, steps=2).y.tolist() == [0, 2], "letters 0 and 5"


# labels per step


def write_ecg(root: Path, spikes: np.ndarray, labels: np.ndarray) -> Path:
    (root / "qtdb-ecg").mkdir(exist_ok=True)
    np.savez(root / "qtdb-ecg" / "qtdb-ecg-test.npz", spikes=spikes, labels=labels)
    return root


def test_ecg_has_a_label_per_step(tmp_path: Path) -> None:
    spikes = np.zeros((2, 5, 4), np.int8)
    spikes[0, 1, 2], spikes[:, 4, 0] = 1, -1
    labels = np.array([[0, 1, 2, 255, 255], [5, 4, 3, 2, 255]], np.uint8)
    data = load("ecg", root=write_ecg(tmp_path, spikes, labels))
    assert data.x.shape == (2, 5, 4) and data.x.sum() == 1 and data.x[0, 1, 2] == 1, "the end marker is no spike"
    assert data.y.tolist() == [[0, 1, 2, -1, -1], [5, 4, 3, 2, -1]]
    assert data.classes == ("P", "PQ", "QR", "RS", "ST", "TP")
    assert load("ecg", root=tmp_path, limit=1).y.shape == (1, 5)


@pytest.mark.parametrize(
    ("spikes", "labels", "text"),
    [
        (np.zeros((2, 5, 3), np.int8), np.zeros((2, 5), np.uint8), "spikes have shape (2, 5, 3)"),
        (np.zeros((2, 5, 4), np.int8), np.zeros((2, 4), np.uint8), "labels (2, 4)"),
        (np.full((2, 5, 4), -1, np.int8), np.zeros((2, 5), np.uint8), "values must lie in 0..1"),
        (np.zeros((2, 5, 4), np.int8), np.full((2, 5), 7, np.uint8), "label 7 but 6 classes"),
    ],
)
def test_bad_ecg_files(tmp_path: Path, spikes: np.ndarray, labels: np.ndarray, text: str) -> None:
    assert text in message("ecg", root=write_ecg(tmp_path, spikes, labels))


# users' own samples


def test_npz_of_any_shape(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(3, 5, 2))
    np.savez(tmp_path / "mine.npz", x=x, y=np.array([0.0, 2.0, 1.0]))
    data = load(str(tmp_path / "mine.npz"), limit=2)
    assert data.encoding is None and data.x.dtype == np.float32 and np.allclose(data.x, x[:2])
    assert data.y.tolist() == [0, 2] and data.y.dtype == np.int64


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": np.zeros((3, 2)), "y": np.zeros(2)}, "3 samples but 2 labels"),
        ({"x": np.zeros((3, 2))}, "has no 'y', only x"),
        ({"data": np.zeros((3, 2))}, "has no 'x', 'y', only data"),
        ({"x": np.array([[1, np.nan], [0, np.inf]]), "y": np.zeros(2)}, "2 values of x are NaN or infinite"),
        ({"x": np.array([[1, None]], object), "y": np.zeros(1)}, "'x' holds Python objects"),
        ({"x": np.array([["a"]]), "y": np.zeros(1)}, "'x' has type <U1"),
        ({"x": np.zeros((1, 2), complex), "y": np.zeros(1)}, "'x' has type complex128"),
        ({"x": np.zeros((2, 2)), "y": np.array([0.5, 1])}, "y holds fractions or NaN"),
        ({"x": np.zeros((2, 2)), "y": np.array([np.nan, 1])}, "y holds fractions or NaN"),
        ({"x": np.zeros((2, 2)), "y": np.array([-1, 1])}, "label -1 in y"),
        ({"x": np.zeros((2, 2)), "y": np.zeros((2, 1))}, "y has shape (2, 1)"),
        ({"x": np.zeros((2, 3)), "y": np.zeros((2, 3))}, "y has shape (2, 3)"),
        ({"x": np.zeros((2, 3, 4)), "y": np.full((2, 3), -2)}, "label -2 in y"),
        ({"x": np.zeros(2), "y": np.zeros(2)}, "x has shape (2,)"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "holds no values"),
        ({"x": np.full((1, 1), 1e300), "y": np.zeros(1)}, "1 values of x are NaN or infinite"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, np.ndarray], text: str) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    found = message(str(tmp_path / "mine.npz"))
    assert text in found and "remedy:" in found and "mine.npz" in found


def test_npz_with_a_label_per_step(tmp_path: Path) -> None:
    y = np.array([[0, -1, 2], [1, 1, -1]])
    np.savez(tmp_path / "mine.npz", x=np.zeros((2, 3, 4)), y=y)
    assert np.array_equal(load(str(tmp_path / "mine.npz")).y, y)


def test_damaged_npz(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    assert "does not exist" in message(str(path))
    np.savez_compressed(path, x=np.random.default_rng(0).random((50, 9)), y=np.zeros(50))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "is not a whole .npz file" in message(str(path))
    path.write_bytes(whole[:300] + b"\xff" * 40 + whole[340:])
    assert "is not a whole .npz file" in message(str(path))
    path.write_bytes(b"")
    assert "is not a whole .npz file" in message(str(path))
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    assert "is one array, not an .npz file" in message(str(path))
    path.unlink()
    path.mkdir()
    assert "cannot be read" in message(str(path))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module of data functions beside the working directory."""
    (tmp_path / "my_samples.py").write_text(
        "import numpy as np\n"
        "def plain(): return np.ones((4, 3)), np.arange(4)\n"
        "def by_split(split): return np.ones((2 if split == 'test' else 6, 3)), [0] * (2 if split == 'test' else 6)\n"
        "def fails(): return 1 / 0\n"
        "def lonely(): return 5\n"
        "def words(): return [['a']], ['b']\n"
        "def ragged(): return [[1, 2], [3]], [0, 1]\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    yield "my_samples"  # type: ignore[misc]
    sys.modules.pop("my_samples", None)


def test_function_with_and_without_split(module: str) -> None:
    assert load(f"{module}:plain").x.shape == (4, 3)
    assert (len(load(f"{module}:by_split").y), len(load(f"{module}:by_split", "train").y)) == (2, 6)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("my_samples:fails", "raised ZeroDivisionError: division by zero"),
        ("my_samples:lonely", "returned int, not a pair"),
        ("my_samples:words", "x has type <U1"),
        ("my_samples:ragged", "x cannot be made an array"),
        ("my_samples:nothing", "has no function 'nothing'"),
        ("my_samples:number", "has no function 'number'"),
        ("no_such_module_here:f", "there is no module 'no_such_module_here'"),
        (":f", "is not module:function"),
    ],
)
def test_bad_functions(module: str, name: str, text: str) -> None:
    assert text in message(name)


def test_module_that_does_not_import(module: str, tmp_path: Path) -> None:
    (tmp_path / "broken_samples.py").write_text("def f(:\n")
    assert "importing broken_samples raised SyntaxError" in message("broken_samples:f")


# arguments


def test_bad_arguments_all_at_once() -> None:
    text = message("digits", "validation", limit=0, steps=4)
    assert "split 'validation': is unknown" in text and "limit: is 0" in text
    assert "'digits' is not an event recording" in text
    assert "steps: is 0" in message("nmnist", steps=0)
    assert "known names: digits, digits-rows, digits-scattered, fashion-mnist, mnist, cifar10" in message("imagenet")


def test_loading_needs_numpy_only() -> None:
    """Neither torch nor a data set package is imported before it is needed."""
    code = (
        "import sys, seamount.models.data.datasets, seamount.models.reference.registry;"
        "print([m for m in ('torch', 'norse', 'sklearn', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# quadrants


@pytest.mark.parametrize("name", ["digits", "fashion-mnist"])
def test_quadrants_put_together_are_the_image(name: str, root: Path) -> None:
    whole, cut = load(name, root=root), load(f"{name}-quadrants", root=root)
    a, b, c, d = np.split(cut.x, 4, 1)
    np.testing.assert_array_equal(np.concatenate([np.concatenate([a, b], 3), np.concatenate([c, d], 3)], 2), whole.x)
    assert (cut.y == whole.y).all() and cut.classes == whole.classes and cut.encoding == "constant"


def test_odd_images_have_no_quadrants() -> None:
    odd = Data(np.zeros((2, 1, 7, 8), np.float32), np.zeros(2, np.int64), "constant", 0, 1)
    with pytest.raises(InputError, match="images of 7 x 8 pixels have no equal quadrants"):
        quadrants(odd, "data 'x'")
