"""What an import and the passes have to say of a network, as facts; `str` makes the sentence where it is shown.

Notes travel with the graph into the manifest, whose file holds their numbers and not the sentence.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from msgspec import Struct

Shape = tuple[int, ...]


class _Note(Struct, frozen=True, forbid_unknown_fields=True, tag_field="note", tag=True):
    """The class is named in the file, under "note". is_warning: whether it is shown ahead of notes, as a warning."""

    is_warning: ClassVar[bool] = False


class Text(_Note, frozen=True):
    """A sentence, of an artifact of version 1."""

    text: str

    def __str__(self) -> str:
        return self.text


# of an import


class Convention(_Note, frozen=True):
    """A convention that was used: what it is, for which nodes (none: the whole network), and who said so.

    exception: it holds for these nodes alone.
    """

    key: str
    value: str
    nodes: tuple[str, ...]
    source: str
    exception: bool = False

    @property
    def what(self) -> str:
        """The convention without its source."""
        if not self.exception:
            return f"{self.key}={self.value}"
        more = " ..." if len(self.nodes) > 4 else ""
        return f"{self.key}={self.value} at {', '.join(self.nodes[:4])}{more}"

    def __str__(self) -> str:
        return f"{self.what} ({self.source})"


class AxisDropped(_Note, frozen=True):
    """A leading or trailing axis of length 1 was dropped. shape: before, where one is named."""

    where: str
    of: Literal["shape", "parameters", "input", "weight"]
    shape: Shape = ()
    trailing: bool = False

    def __str__(self) -> str:
        shape = f" {self.shape}" if self.shape else ""
        which = "trailing" if self.trailing else "leading"
        return f"{self.where}: {which} axis of length 1 dropped from its {self.of}{shape}"


class AxisDiffers(_Note, frozen=True):
    """An output declares another shape than it receives, up to axes of length 1; leading: up to a leading one."""

    where: str
    declared: Shape
    received: Shape
    leading: bool = True

    def __str__(self) -> str:
        axes = "a leading 1" if self.leading else "axes of 1"
        return f"{self.where}: declares shape {self.declared}, receives {self.received}; they differ in {axes}"


class GainSupplied(_Note, frozen=True):
    """A gain that an exporter writes as 1 although its framework's neuron adds the input in full.

    field: of the NIR node. framework: whose neuron it is. gain: what is used, as text. dt: of a step, in seconds.
    """

    where: str
    field: str
    framework: str
    gain: str
    dt: float

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.field} = 1 is what {self.framework} writes for an input that its cell adds in full, "
            f"{self.field} = {self.gain} at dt = {self.dt:g}, which is used"
        )


class InputDiffers(_Note, frozen=True):
    """A layer declares another input than the graph gives it, and the graph is followed."""

    where: str
    declared: Shape
    given: Shape

    def __str__(self) -> str:
        return (
            f"{self.where}: the file declares an input of {self.declared}; the graph gives {self.given}, which is used"
        )


class EdgesDelayed(_Note, frozen=True):
    """A delay node became the delay of edges (source, target)."""

    where: str
    steps: int
    edges: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.where}: {self.steps} steps on {' and '.join(f'{a} -> {b}' for a, b in self.edges)}"


class Recurrent(_Note, frozen=True):
    """A connection that closes a cycle; it carries the delay of one step."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"recurrent connection {self.source} -> {self.target}: delay of one step"


class ClampUnused(_Note, frozen=True):
    """A readout without threshold has a lower clamp, which does not apply to it."""

    where: str

    def __str__(self) -> str:
        return f"{self.where}: v_min acts on firing neurons only"


class ResetUnused(_Note, frozen=True):
    """A neuron has a v_reset that its kind of reset does not read."""

    where: str
    subtracts: bool

    def __str__(self) -> str:
        what = "subtracts the threshold" if self.subtracts else "leaves the membrane as it is"
        return f"{self.where}: its v_reset has no effect, since a spike {what}"


class FieldsUnused(_Note, frozen=True):
    """Fields of a layer in a file that change nothing for the import."""

    where: str
    fields: tuple[str, ...]

    def __str__(self) -> str:
        more = " ..." if len(self.fields) > 4 else ""
        return f"{self.where}: {', '.join(self.fields[:4])}{more} in the file has no effect here"


# of quantization


class ScaleUnproven(_Note, frozen=True):
    """The scale of a population follows typical inputs; extreme ones may leave the register."""

    population: str
    register: Literal["u", "v"]

    def __str__(self) -> str:
        return (
            f"{self.population}: {self.register} may leave 24 bits for extreme inputs; the scale follows typical ones"
        )


class TimeConstantChanged(_Note, frozen=True):
    """Twelve bits of decay change a time constant noticeably."""

    population: str
    of: Literal["synaptic", "membrane"]

    def __str__(self) -> str:
        return f"{self.population}: 12 bits change its {self.of} time constant by more than 1 %"


class CompareChanged(_Note, frozen=True):
    """A neuron that fires at the threshold fires above it in integers."""

    population: str

    def __str__(self) -> str:
        return f"{self.population}: v >= threshold runs as v > threshold of integers (docs/semantics.md)"


class WeightsVanish(_Note, frozen=True):
    """Most weights round to 0. share: of those other than 0. medians: the largest weight in medians."""

    is_warning: ClassVar[bool] = True
    projection: str
    share: float
    medians: float

    def __str__(self) -> str:
        lost = f"{self.share:.0%} of its weights round to 0"
        return f"{self.projection}: {lost}; its largest is {self.medians:.3g} medians"


class BitsUnused(_Note, frozen=True):
    """Weights use fewer bits than they have, because something else in `population` is larger."""

    projection: str
    used: int
    bits: int
    population: str

    def __str__(self) -> str:
        why = f"its weights are small beside the threshold, bias or largest sum of {self.population}"
        return f"{self.projection}: uses {self.used} of {self.bits} bits; {why}"


# of delays


class RelayPrice(Struct, frozen=True, forbid_unknown_fields=True):
    """A chain of relays behind a source of `neurons` neurons."""

    relays: int
    neurons: int

    def __str__(self) -> str:
        n, total = self.relays, self.relays * self.neurons
        return (
            f"{n} relay{'s' * (n > 1)}: {total} neuron{'s' * (total > 1)}, as many axons and synapses, "
            f"{n} SynOp{'s' * (n > 1)} per spike"
        )


class Delayed(_Note, frozen=True):
    """A delay in the synapses. slots: of the dendritic accumulator, per neuron. per_core: neurons that leaves a core.

    shorter, price: with delays of at most so many steps, what relays would take instead.
    """

    weights: str
    delay: int
    source: str
    target: str
    slots: int
    per_core: int | None = None
    shorter: int | None = None
    price: RelayPrice | None = None

    def __str__(self) -> str:
        text = f"{self.weights}: delay {self.delay} from {self.source} to {self.target}, "
        text += f"{self.slots} delay slots per neuron of {self.target}"
        text += "" if self.per_core is None else f" ({self.per_core} neurons to a core)"
        return text if self.price is None else f"{text}; with --max-delay {self.shorter} {self.price}"


class Relayed(_Note, frozen=True):
    """Relays carry the spikes of a source on to `late`, which it would reach more than `delay_max` steps too early."""

    source: str
    late: tuple[str, ...]
    delay_max: int
    price: RelayPrice

    def __str__(self) -> str:
        early = f"too early for {', '.join(self.late)} by more than {self.delay_max} steps"
        return f"{self.source}: {early}, so {self.price}"


class SlowedDown(_Note, frozen=True):
    """Each step of the network takes `factor` of the chip; `enough` would do for its loops."""

    factor: int
    enough: int

    def __str__(self) -> str:
        least = self.enough == self.factor
        why = "which its loops need" if least else f"though {self.enough} would do for its loops"
        return f"slowed down: each step takes {self.factor} of the chip, {why}"


class Unbalanced(_Note, frozen=True):
    """Delays are not balanced: this is not the network that was trained. late: weights, and their steps too late."""

    late: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        shown = ", ".join(f"{name} by {steps}" for name, steps in self.late) or "none, in this network"
        return f"delays are not balanced, so this is not the trained network; steps late: {shown}"


# of the range proof


class OverflowPossible(_Note, frozen=True):
    """A register that is not proven to hold its values, in `neurons` of the population's `of`."""

    population: str
    register: Literal["u", "v"]
    neurons: int
    of: int

    def __str__(self) -> str:
        verb = "wrap" if self.register == "u" else "saturate"
        return (
            f"{self.population}: {self.register} may {verb} in {self.neurons} of {self.of} "
            "neurons; 'seamount ranges' says when, 'compile --prove' avoids it"
        )


class ScaleLowered(_Note, frozen=True):
    """A scale that was lowered so that nothing overflows. costs: weights into it, relative error before and after."""

    population: str
    before: float
    after: float
    costs: tuple[tuple[str, float, float], ...]

    def __str__(self) -> str:
        text = f"{self.population}: scale lowered from {self.before:.4g} to {self.after:.4g}"
        text += " so that it cannot overflow"
        costs = ", ".join(f"{name} {a:.2%} to {b:.2%}" for name, a, b in self.costs)
        return text + (f"; rounding of weights: {costs}" if costs else "")


class Clamped(Struct, frozen=True, forbid_unknown_fields=True):
    """A lower clamp of v that was tried, in thresholds below the start, and answers that the proof changes with it."""

    thresholds: float
    changed: int


class ProofChanges(_Note, frozen=True):
    """Answers that the scales of a proof change on the samples at hand, of all; populations whose scale was lowered."""

    is_warning: ClassVar[bool] = True
    changed: int
    answers: int
    populations: tuple[str, ...]
    clamp: Clamped | None

    def __str__(self) -> str:
        text = (
            f"--prove changes {self.changed} of {self.answers} answers on the samples at hand: the scales of "
            f"{', '.join(self.populations[:4])}{' ...' * (len(self.populations) > 4)} are too low for their weights; "
        )
        if self.clamp is None:
            return text + "compile without --prove, and see what 'seamount ranges' says"
        below = f"{self.clamp.thresholds:g} threshold{'s' * (self.clamp.thresholds != 1)} below the start"
        return text + (
            f"with a lower clamp of v, {below}, it changes {self.clamp.changed} "
            "(train with it, or give v_min to --assume of a .nir file)"
        )


class Proven(_Note, frozen=True):
    """No inputs overflow a register in samples of at most so many steps."""

    steps: int

    def __str__(self) -> str:
        return f"proven: no inputs overflow a register in samples of at most {self.steps} step{'s' * (self.steps > 1)}"


Note = (
    Text | Convention | GainSupplied | AxisDropped | AxisDiffers | InputDiffers | EdgesDelayed | Recurrent
    | ClampUnused | ResetUnused | FieldsUnused
    | ScaleUnproven | TimeConstantChanged | CompareChanged | WeightsVanish | BitsUnused | ProofChanges
    | Delayed | Relayed | SlowedDown | Unbalanced
    | OverflowPossible | ScaleLowered | Proven
)  # fmt: skip
