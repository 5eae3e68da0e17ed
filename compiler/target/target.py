"""A chip as data: its limits and costs, each with unit and source.

Passes and reports know a chip only through `Target`, and receive its numbers, never its name. A number that
is not published stays unknown: asking for it raises, it is never replaced by a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from seamount.compiler.errors import CompileError, ContractError, Problem

Value: TypeAlias = bool | int | float | tuple[int, ...]


class UnknownNumber(CompileError):
    """A number that the target's file marks as not published was needed."""


@dataclass(frozen=True)
class Quantity:
    """`value` in `unit`, or None where nothing is published.

    source: key of the target's list of sources and the place in it; why it is unknown, where it is.
    conditions: what the number holds for (voltage, build). assumed: it is not published, and taken from elsewhere.
    """

    value: Value | None
    unit: str
    source: str
    conditions: str = ""
    assumed: bool = False

    def __str__(self) -> str:
        text = _in_words(self.value)
        if self.unit not in ("1", "flag") and self.value is not None:
            text += f" {self.unit}"
        return f"{text} ({self.source})"

    @property
    def terms(self) -> str:
        """The conditions as tables show them."""
        return f"assumed: {self.conditions}" if self.assumed else self.conditions


def _in_words(value: Value | None) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(v) for v in value)
    return str(value)


@dataclass(frozen=True, eq=False)
class Target:
    """A chip, or a simulator of one.

    name: what the command line calls it. chip: the chip whose numbers these are (same as name for a chip).
    date: when the numbers were collected. backend: what `run` uses unless told otherwise; None for a chip.
    quantities: "section.name" -> Quantity. What events cost is in cost sets (compiler/energy/cost_set.py).
    sources: key -> full reference.
    """

    name: str
    title: str
    chip: str
    date: str
    quantities: Mapping[str, Quantity]
    sources: Mapping[str, str]
    backend: str | None = None
    notes: tuple[str, ...] = field(default=())

    def quantity(self, path: str) -> Quantity:
        """The number with unit and source. Raises ContractError for a name that no target has."""
        try:
            return self.quantities[path]
        except KeyError:
            raise ContractError(
                Problem(f"target '{self.name}'", f"has no number '{path}'", "see compiler/target/target_file.py")
            ) from None

    def value(self, path: str) -> Value | None:
        """The bare value, None where unknown."""
        return self.quantity(path).value

    def cite(self, path: str) -> str:
        """The number as the `limit` line of an error shows it."""
        return f"{self.chip} {path} = {self.quantity(path)}"

    def limit(self, path: str) -> int:
        """A whole number. Raises UnknownNumber."""
        value = self._needed(path)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _misread(path, "one whole number", value)
        return value

    def widths(self, path: str) -> tuple[int, ...]:
        """A list of whole numbers. Raises UnknownNumber."""
        value = self._needed(path)
        if not isinstance(value, tuple):
            raise _misread(path, "a list", value)
        return value

    def bounds(self, path: str) -> tuple[int, int]:
        """A range, both ends included. Raises UnknownNumber."""
        low, high = self.widths(path)
        return low, high

    def supports(self, feature: str) -> bool:
        """Whether a source says that the chip has `feature`; unknown counts as no."""
        value = self.value(f"features.{feature}")
        return value is True

    def _needed(self, path: str) -> Value:
        quantity = self.quantity(path)
        if quantity.value is None:
            raise UnknownNumber(
                Problem(
                    f"target '{self.name}'",
                    f"'{path}' is needed here and unknown: {quantity.source}",
                    "choose a target that states it, or pass a target file with the number and its source",
                )
            )
        return quantity.value

    # The numbers that lowering needs, under the names the passes use.

    @property
    def weight_bits(self) -> int:
        """Stored bits of a weight, sign included."""
        return self.limit("synapse.weight_bits")

    @property
    def weight_widths(self) -> tuple[int, ...]:
        """Widths a weight may be stored in, in bits."""
        return self.widths("synapse.weight_widths")

    @property
    def weight_exp(self) -> tuple[int, int]:
        """Least and greatest exponent of a projection's weights."""
        return self.bounds("synapse.weight_exponent")

    @property
    def delay_max(self) -> int:
        """Longest delay of a synapse, in steps beyond the one that transport takes."""
        return self.limit("core.delay")

    @property
    def decay_max(self) -> int:
        """Greatest decay code: decays are in units of 1 / (decay_max + 1)."""
        return int(2 ** self.limit("registers.decay_bits") - 1)

    @property
    def vth_max(self) -> int:
        """Greatest threshold mantissa; neurons compare v with 64 times it."""
        return self.limit("registers.threshold")

    @property
    def bias_mant(self) -> tuple[int, int]:
        """Least and greatest bias mantissa."""
        half: int = 2 ** (self.limit("registers.bias_mantissa_bits") - 1)
        return -half, half - 1

    @property
    def bias_exp(self) -> tuple[int, int]:
        """Least and greatest bias exponent."""
        return self.bounds("registers.bias_exponent")

    @property
    def graded_payload_bits(self) -> int:
        """Bits of payload a message can carry; 0 for spikes only."""
        return self.limit("messages.graded_payload_bits")


def _misread(path: str, wanted: str, value: Value) -> ContractError:
    return ContractError(Problem(f"'{path}'", f"read as {wanted}, is {value!r}", "use the accessor of its kind"))
