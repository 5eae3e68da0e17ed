"""Fields of a group of a .net file, each checked when it is read: whole numbers, arrays of integers, words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import overload

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import Problem
from seamount.frontends.hdf5.tree import Unreadable

AGAIN = "export the network again"
QUANTIZE = "train and export it with quantized weights (slayer's quantize=True, pre_hook_fx)"
LARGEST = 2**31 - 1


class Fields:
    """Reads fields and collects problems; what it returns after one stands in for the value."""

    def __init__(self, tree: object, where: str, problems: list[Problem]) -> None:
        self.where, self.problems = where, problems
        self._tree: Mapping[str, object] = tree if isinstance(tree, Mapping) else {}
        self._taken: set[str] = set()
        self._inner: list[tuple[str, Fields]] = []
        if not isinstance(tree, Mapping):
            self.refuse("is no group", AGAIN)

    def refuse(self, found: str, remedy: str, limit: str = "") -> None:
        self.problems.append(Problem(self.where, found, remedy, limit))

    def left(self) -> tuple[str, ...]:
        """Names of fields that nothing asked for, those of inner groups with their path."""
        inner = (f"{name}/{field}" for name, fields in self._inner for field in fields.left())
        return (*(name for name in self._tree if name not in self._taken), *inner)

    def skip(self, name: str) -> None:
        """Count a field as known: it changes nothing."""
        self._taken.add(name)

    def take_all(self) -> None:
        """Count all fields as known."""
        self._taken |= set(self._tree)

    def group(self, name: str) -> Fields | None:
        """An inner group, None where there is none."""
        self.skip(name)
        if name not in self._tree:
            return None
        found = Fields(self._tree[name], self.where, self.problems)
        self._inner.append((name, found))
        return found

    def text(self, name: str, default: str | None = None) -> str | None:
        """A word, also as an array of one; `default` where there is none, which is a problem if it is None."""
        self.skip(name)
        value = self._tree.get(name, default)
        if isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
            value = value.ravel()[0]
        if not isinstance(value, str):
            self.refuse(f"has no {name}" if value is None else f"its {name} is no word", AGAIN)
            return None
        return value

    def integers(self, name: str, required: bool = False) -> NDArray[np.int64] | None:
        """An array of whole numbers within int32; None where there is none, or after a problem."""
        self.skip(name)
        value = self._tree.get(name)
        if value is None or (isinstance(value, Unreadable) and value.empty):
            if required:
                self.refuse(f"has no {name}", AGAIN)
            return None
        if isinstance(value, Mapping):
            found = "is complex (real and imag)" if {"real", "imag"} & set(value) else "is a group"
            self.refuse(f"its {name} {found}", "train the network with real weights")
            return None
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            why = f"is {value.why}" if isinstance(value, Unreadable) else "holds no numbers"
            self.refuse(f"its {name} {why}", AGAIN)
            return None
        return self._whole(name, value)

    def _whole(self, name: str, value: NDArray[np.generic]) -> NDArray[np.int64] | None:
        numbers = np.asarray(value, np.float64)
        if not np.all(np.isfinite(numbers)):
            self.refuse(f"its {name} holds numbers that are not finite", AGAIN)
            return None
        fractions = numbers[numbers != np.rint(numbers)]
        if fractions.size:
            found = f"its {name} is float: {fractions.size} of {numbers.size} numbers are no integers, such as"
            self.refuse(f"{found} {fractions[0]:.6g}", QUANTIZE, "a chip stores integers, and nothing is rounded here")
            return None
        if numbers.size and np.max(np.abs(numbers)) > LARGEST:
            self.refuse(f"its {name} reaches {np.max(np.abs(numbers)):.6g}", AGAIN, "32 bits")
            return None
        return numbers.astype(np.int64)

    def registers(self, name: str, low: int, high: int) -> NDArray[np.int64]:
        """Whole numbers in low..high: 0-d for the layer, or one per neuron; a problem where there are none."""
        value = self.integers(name, required=True)
        if value is None or not value.size:
            return np.array(min(max(1, low), high))
        if value.min() < low or value.max() > high:
            outside = value[(value < low) | (value > high)].ravel()[0]
            limit = f"{low} to {high}" if high < LARGEST else f"at least {low}"
            self.refuse(f"its {name} is {outside}", "train it with a value in the range", limit)
            return np.array(min(max(1, low), high))
        return value.reshape(()) if value.size == 1 else value

    @overload
    def whole(self, name: str, default: None, *, low: int = ..., high: int = ...) -> int: ...
    @overload
    def whole(self, name: str, default: int, *, low: int = ..., high: int = ...) -> int: ...
    def whole(self, name: str, default: int | None, *, low: int = -LARGEST, high: int = LARGEST) -> int:
        """One whole number in low..high; `default` where there is none, which is a problem if it is None."""
        value = self.integers(name, required=default is None)
        stand_in = min(max(1, low), high) if default is None else default
        if value is None:
            return stand_in
        if value.size != 1:
            self.refuse(f"its {name} has shape {value.shape}", "export one number for the layer", "one number")
            return stand_in
        number = int(value.ravel()[0])
        if not low <= number <= high:
            limit = f"{low} to {high}" if high < LARGEST else f"at least {low}"
            self.refuse(f"its {name} is {number}", "train it with a value in the range", limit)
            return stand_in
        return number

    def pair(self, name: str, default: int) -> tuple[int, int]:
        """A number per axis (H, W); one number stands for both."""
        value = self.integers(name)
        if value is None:
            return default, default
        if value.size not in (1, 2) or np.any(value < min(default, 1)):
            self.refuse(
                f"its {name} is {value.ravel().tolist()[:4]}", AGAIN, f"two numbers, at least {min(default, 1)}"
            )
            return default, default
        first, *rest = (int(n) for n in value.ravel())
        return first, rest[0] if rest else first
