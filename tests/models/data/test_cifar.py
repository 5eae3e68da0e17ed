"""CIFAR in its original binary files: pixels and labels as published, and what each fault says."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from seamount.compiler.errors import InputError
from seamount.models.data.datasets import load

RGB = np.random.default_rng(5).integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)


def record(image: int, *labels: int) -> bytes:
    """One image as published: labels, then the red, green and blue planes, row by row."""
    planes = [bytes(int(RGB[image, c, i, j]) for i in range(32) for j in range(32)) for c in range(3)]
    return bytes(labels) + b"".join(planes)


def message(*arguments: object, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        load(*arguments, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """A data folder with two images in each training file of CIFAR-10 and one for testing."""
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for k in range(5):
        (folder / f"data_batch_{k + 1}.bin").write_bytes(record(2 * k, k) + record(2 * k + 1, 9 - k))
    (folder / "test_batch.bin").write_bytes(record(10, 7))
    return tmp_path


@pytest.fixture
def hundred(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar100" / "cifar-100-binary"
    folder.mkdir(parents=True)
    (folder / "train.bin").write_bytes(record(0, 4, 99) + record(1, 19, 0))
    (folder / "test.bin").write_bytes(record(2, 3, 42))
    return tmp_path


def test_cifar10_in_the_order_of_the_files(ten: Path) -> None:
    data = load("cifar10", "train", root=ten)
    assert data.x.shape == (10, 3, 32, 32) and np.array_equal(np.rint(data.x * 255), RGB[:10])
    assert data.y.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5] and data.classes[9] == "truck"
    assert (data.encoding, data.low, data.high) == ("constant", 0.0, 1.0)
    assert load("cifar10", root=ten).y.tolist() == [7]
    assert load("cifar10", "train", root=ten, limit=3).y.tolist() == [0, 9, 1]


def test_cifar10_below_a_folder_of_ours(ten: Path) -> None:
    (ten / "cifar10").mkdir()
    (ten / "cifar-10-batches-bin").rename(ten / "cifar10" / "cifar-10-batches-bin")
    assert load("cifar10", root=ten).y.tolist() == [7]


def test_cifar100_has_the_fine_label(hundred: Path) -> None:
    data = load("cifar100", "train", root=hundred)
    assert data.y.tolist() == [99, 0] and np.array_equal(np.rint(data.x * 255), RGB[:2])
    assert data.classes == tuple(map(str, range(100)))
    names = hundred / "cifar100" / "cifar-100-binary" / "fine_label_names.txt"
    names.write_text("\n".join(f"thing_{i}" for i in range(100)) + "\n")
    assert load("cifar100", root=hundred).classes[42] == "thing_42"
    names.write_text("apple\n")
    assert "fine_label_names.txt: has 1 names" in message("cifar100", root=hundred)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "has 0 bytes, which is no whole number of images of 3,073"),
        (record(0, 1)[:-1], "has 3,072 bytes, which is no whole number"),
        (record(0, 1) + b"\0", "has 3,074 bytes, which is no whole number"),
        (record(0, 1) + record(1, 10), "image 1 has the label 10"),
    ],
)
def test_damaged_files(ten: Path, content: bytes, text: str) -> None:
    (ten / "cifar-10-batches-bin" / "data_batch_3.bin").write_bytes(content)
    found = message("cifar10", "train", root=ten)
    assert text in found and "data_batch_3.bin" in found and "the binary version" in found


def test_faults_of_all_files_at_once(ten: Path) -> None:
    folder = ten / "cifar-10-batches-bin"
    (folder / "data_batch_2.bin").unlink()
    (folder / "data_batch_4.bin").write_bytes(b"short")
    (folder / "data_batch_5.bin").unlink()
    (folder / "data_batch_5.bin").mkdir()
    found = message("cifar10", "train", root=ten)
    assert "data_batch_2.bin: does not exist" in found and "data_batch_4.bin: has 5 bytes" in found
    assert "data_batch_5.bin: cannot be read" in found


def test_a_fine_label_out_of_range(hundred: Path) -> None:
    (hundred / "cifar100" / "cifar-100-binary" / "test.bin").write_bytes(record(0, 3, 100))
    assert "image 0 has the fine label 100" in message("cifar100", root=hundred)


class Unpickled:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("a file was unpickled",))


@pytest.mark.parametrize(
    ("name", "folder", "file", "archive"),
    [
        ("cifar10", "cifar-10-batches-py", "data_batch_1", "cifar-10-batches-bin/"),
        ("cifar10", "cifar10/cifar-10-batches-py", "data_batch_1", "cifar-10-batches-bin/"),
        ("cifar100", "cifar-100-python", "train", "cifar-100-binary/"),
    ],
)
def test_the_python_version_is_refused_unread(tmp_path: Path, name: str, folder: str, file: str, archive: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / file).write_bytes(pickle.dumps(Unpickled()))
    found = message(name, "train", root=tmp_path)
    assert "is the Python version, whose pickles run code" in found and archive in found


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "cifar100").mkdir()
    assert "train.bin: does not exist" in message("cifar100", "train", root=tmp_path)
    (tmp_path / "cifar100").rmdir()
    assert "cifar-100-binary" in message("cifar100", root=tmp_path)


def test_a_file_too_large_is_not_read(ten: Path) -> None:
    with (ten / "cifar-10-batches-bin" / "test_batch.bin").open("r+b") as file:
        file.truncate(2**40)
    assert "has 1,099,511,627,776 bytes" in message("cifar10", root=ten)
