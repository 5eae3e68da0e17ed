"""A trained network, fine-tuned in the integers that will run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend, load_target
from seamount.compiler.codes import BY_VALUE, Samples, by_input, count, some
from seamount.compiler.diff.programs import program_differences
from seamount.compiler.errors import CheckFailed, InputError, Problem, raise_all
from seamount.compiler.files import replace_file
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.tuned import Goal, Score, Tuning
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import Options
from seamount.compiler.program.program import Program
from seamount.compiler.target.target import Target
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown, percent, table
from seamount.workflows.compile import CALIBRATED, Compilation, compilation
from seamount.workflows.data import Data, DataSource, Labelled, described, labelled, of_one_length
from seamount.workflows.labels import read_labels
from seamount.workflows.load import Model, model_of
from seamount.workflows.outputs import only_output

if TYPE_CHECKING:
    from seamount.frontends.model_file.model import ModelFile
    from seamount.tuning.network import IntegerNetwork

CHECKED, GOLDEN = 4, 8
"""Samples on which the module is compared with the simulator before, during and after; samples of the golden trace."""
LEARN = ("weights", "scales", "biases")
LEARNABLE = (*LEARN, "decays")
Epoch = Callable[[Mapping[str, Any]], None]
"""Called after each epoch with its number, loss, and loss and score on the samples held out; first with epoch 0."""


@dataclass(frozen=True)
class TuneSettings:
    """How to tune. learn: any of weights, scales, biases, decays. epochs, batch; rate: the share of its layer's rms by
    which an update moves a weight at most. validation: share of the samples held out. seed: of their choice and the
    order. labels: False leaves labels aside. device: "cpu" or "cuda". checkpoint: written after each epoch; the same
    tuning goes on there, exactly."""

    learn: tuple[str, ...] = LEARN
    epochs: int = 10
    batch: int = 64
    rate: float = 0.02
    validation: float = 0.1
    seed: int = 0
    labels: bool = True
    device: str = "cpu"
    checkpoint: Path | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Tuned(Shown):
    """A network tuned in integers, and how that went.

    file: the model file. program: the integers, which compiling the file gives again. module: the torch module.
    history: of each epoch, the untuned network first: epoch, loss, held_loss, score. checked: entries of spikes, u and
    v that were compared with the simulator; none differed. path: where it was written, if it was.
    """

    file: ModelFile
    program: Program
    module: IntegerNetwork
    history: tuple[Mapping[str, Any], ...]
    checked: int
    path: Path | None = None

    @property
    def tuning(self) -> Tuning:
        """Bits, grids, data, scores."""
        assert self.file.tuning is not None
        return self.file.tuning

    @property
    def model(self) -> Model:
        """The tuned network, for `seamount.compile` and every other call that takes a model."""
        return Model.of_file(self.file, self.file.name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, or for a name that ends in .nir the network for other tools, without its grids.

        Raises InputError when the file cannot be written.
        """
        if Path(path).suffix == ".nir":
            replace_file(Path(path), self.file.nir)
            return
        from seamount.frontends.model_file.file import write_model

        write_model(self.file, path)

    def load_into(self, module: Any) -> tuple[str, ...]:
        """Give the tuned weights back to the user's own torch module; the layers that took them, by name.

        A layer takes them where it has the name and the form of a layer of the graph, and where what compilation folded
        into its weights is one factor per output. Its neurons keep their parameters. Raises InputError where no layer
        of the module fits.

        Example:
            seamount.tune(net, (x, y), sample=x[:8], steps=20, readout="sum", weight_bits=4).load_into(net)
        """
        from seamount.tuning.give_back import give_back

        return give_back(self.module, module)

    def to_dict(self) -> dict[str, Any]:
        tree = msgspec.to_builtins(self.tuning)
        return {
            "model": self.file.name,
            "file": None if self.path is None else str(self.path),
            **tree,
            "history": [dict(entry) for entry in self.history],
            "checked_entries": self.checked,
            "differing_entries": 0,
        }

    def blocks(self) -> Iterator[Block]:
        tuning = self.tuning
        yield table("tuning", ("epoch", "loss", "loss held out", words(tuning.score)), list(map(self._row, self.history)))
        yield f"tuned on {tuning.samples:,} samples of {tuning.data}, {tuning.validation:,} held out; kept: epoch {tuning.best}"
        yield f"{words(tuning.score)} of the integers: {shown(tuning, tuning.before)} before, {shown(tuning, tuning.after)} after"
        yield f"{self.checked:,} entries of spikes, u and v compared with the simulator: 0 differ"
        if self.path is not None and self.path.suffix == ".nir":
            given = " ".join(f"--assume {word}" for word in assumed(self.file))
            yield f"{self.path}: what it does not say: {given}"
        elif self.path is not None:
            yield f"model file: {self.path}; next: seamount compile {self.path}"

    def _row(self, entry: Mapping[str, Any]) -> tuple[Any, ...]:
        loss = "" if entry["loss"] is None else f"{entry['loss']:.4f}"
        return entry["epoch"], loss, f"{entry['held_loss']:.4f}", shown(self.tuning, entry["score"])


def words(score: Score) -> str:
    """What a score is, with the samples it is of."""
    return {Score.ACCURACY: "accuracy held out", Score.LOSS: "score held out (minus the loss)"}[score]


def shown(tuning: Tuning, value: float) -> str:
    return percent(value) if tuning.score is Score.ACCURACY else f"{value:.4f}"


def assumed(file: ModelFile) -> list[str]:
    """Conventions of a whole file as --assume takes them."""
    return [f"{key}={value}" for key, value in file.meaning.default.known().items()]


def tune(
    source: Any,
    data: Data,
    *,
    weight_bits: int = 8,
    bits: Mapping[str, int] | None = None,
    ternary: bool = False,
    settings: TuneSettings | None = None,
    target: str | Target = "loihi-sim",
    steps: int | None = None,
    path: str | os.PathLike[str] | None = None,
    each: Epoch | None = None,
    assume: Sequence[str] | Mapping[str, object] | str = (),
    progress: Progress = None,
    **tracing: Any,
) -> Tuned:
    """Fine-tune a trained network in the integers that will run.

    The forward pass is the integer program, entry for entry; gradients pass roundings straight through, and spikes by
    a surrogate. The loss is the distance from what the float network answers and, where there are labels, the
    cross-entropy. The epoch that is best on samples held out is kept, epoch 0, the untuned network, among them.

    source       as for `seamount.compile`, with the same `assume` and tracing arguments
    data         samples to train on, with labels or without: a name (its train split), an array, (x, y), a loader
    weight_bits  bits per weight, 1 to 8; bits: exceptions by layer. ternary: two bits without the lowest code
    settings     what learns, epochs, batch, rate, validation share, seed, device, checkpoint
    path         model file to write, or a .nir file
    each         called after each epoch

    Returns the tuned network, which compiles to the integers that tuning saw. Raises InputError (data that do not fit,
    PyTorch missing, nothing to train), CompileError and ImportRefused as `compile` does, CheckFailed where module and
    simulator differ.

    Example:
        tuned = seamount.tune("model.pt", (x_train, y_train), weight_bits=4, path="tuned.pt")
        seamount.compile(tuned.model).run(x_test, y_test).accuracy
    """
    plan = _checked_settings(settings or TuneSettings())
    if ternary and weight_bits != 2:
        raise InputError(Problem("ternary", f"is for 2 bits, and {weight_bits} are asked for", "give weight_bits=2"))
    model = model_of(source, assume=assume, **tracing)
    chosen = load_target(target) if isinstance(target, str) else target
    options = Options(weight_bits, dict(bits or {}), steps)
    samples = _samples(data, steps or model.steps)
    x = of_one_length(samples, steps or model.steps, steps is not None)
    made, net = _module(model, chosen, options, some(x, slice(CALIBRATED)), plan.learn, ternary, True)
    tuner = _Tuner(model, chosen, options, plan, samples, x, made, net)
    with watched(progress, f"tune {model.about.name}") as tick:
        tuned = tuner.run(tick, each)
    if path is not None:
        tuned.save(path)
        tuned = replace(tuned, path=Path(path))
    return tuned


def torch_module(
    source: Any,
    *,
    weight_bits: int = 8,
    bits: Mapping[str, int] | None = None,
    ternary: bool = False,
    calibrate: Data | None = None,
    learn: Sequence[str] = LEARN,
    target: str | Target = "loihi-sim",
    steps: int | None = None,
    assume: Sequence[str] | Mapping[str, object] | str = (),
    **tracing: Any,
) -> IntegerNetwork:
    """The integer program of a network as a torch module, for a training loop of the user's own.

    Arguments as for `seamount.tune`; calibrate: data whose values set the scales. `net.messages(x)` makes what the
    module takes, `net(messages)` gives the outputs in units of the trained network, `net.run(messages)` spikes, u and v
    of every layer; call `net.clip_()` after each update. `net.quantized()` is the graph with the integers of the moment.
    Raises as `seamount.compile` does, and InputError without PyTorch.

    Example:
        net = seamount.torch_module("model.pt", weight_bits=4)
        loss = torch.nn.functional.cross_entropy(net(net.messages(x))["output"], y)
    """
    model = model_of(source, assume=assume, **tracing)
    chosen = load_target(target) if isinstance(target, str) else target
    options = Options(weight_bits, dict(bits or {}), steps)
    _, net = _module(model, chosen, options, calibrate, tuple(learn), ternary, False)
    return net


def _checked_settings(plan: TuneSettings) -> TuneSettings:
    problems = [
        Problem(f"learn '{name}'", "cannot learn", f"any of {', '.join(LEARNABLE)}")
        for name in plan.learn
        if name not in LEARNABLE
    ]
    for name, value, good, limit in (
        ("epochs", plan.epochs, plan.epochs >= 1, "at least 1"),
        ("batch", plan.batch, plan.batch >= 1, "at least 1"),
        ("rate", plan.rate, 0 < plan.rate <= 1, "above 0, at most 1"),
        ("validation", plan.validation, 0 < plan.validation < 1, "between 0 and 1"),
        ("seed", plan.seed, plan.seed >= 0, "at least 0"),
    ):
        if not good:
            problems.append(Problem(name, f"is {value}", "choose another value", limit))
    raise_all(InputError, problems)
    if plan.device != "cpu":
        _torch().check_device(plan.device)
    return plan


def _torch() -> Any:
    """What needs PyTorch. Raises InputError without it."""
    try:
        from seamount.tuning import network
    except ModuleNotFoundError as error:
        found = f"needs the Python package '{error.name}', which is not installed"
        raise InputError(Problem("tuning", found, "pip install 'seamount[torch]'")) from None
    return network


def _samples(data: Data, steps: int) -> Labelled:
    if isinstance(data, str | os.PathLike):
        data = DataSource(os.fspath(data), "train")
    return labelled(data, steps)


def _module(
    model: Model, target: Target, options: Options, calibrate: Any, learn: tuple[str, ...], ternary: bool, even: bool
) -> tuple[Compilation, IntegerNetwork]:
    """The compilation that tuning starts from, and its module. even: one bias per channel of a convolution."""
    network = _torch()
    plain = replace(model, about=msgspec.structs.replace(model.about, tuning=None))
    stages: dict[str, Graph] = {}

    def watch(p: Pass, graph: Graph) -> None:
        stages[p.name] = graph

    made = compilation(plain, target, options, calibrate=calibrate, watch=watch, vectors=False, progress=False)
    trained = network.Trained(**{name: name in learn for name in LEARNABLE})
    graph = stages[Quantize.name]
    if even:
        graph = network.even_biases(graph, made.canonical)
    net = network.IntegerNetwork(graph, made.canonical, made.artifact.inputs, trained, ternary)
    network.refuse_nothing_to_train(net)
    return made, net


@dataclass
class _Tuner:
    """One tuning, with everything it needs."""

    model: Model
    target: Target
    options: Options
    plan: TuneSettings
    samples: Labelled
    x: Samples
    made: Compilation
    net: IntegerNetwork
    checked: int = 0

    def run(self, tick: Callable[[int, int], None], each: Epoch | None) -> Tuned:
        from seamount.tuning.training import Schedule, Trainer, split

        plan, output = self.plan, only_output(self.made.artifact.outputs)
        labels = read_labels(self.made.artifact, self.samples.y) if plan.labels else None
        self._read_all()
        self._check()
        self._written(self._tuning(labels, (), 0, 0))  # what cannot be written is refused before training
        self.net.to(plan.device)
        parts = split(count(self.x), plan.validation, plan.seed)
        trainer = Trainer(
            self.net, output, self.x, labels, parts, Schedule(plan.epochs, plan.batch, plan.rate, plan.seed)
        )

        def after(entry: Mapping[str, Any]) -> None:
            self._check()
            tick(entry["epoch"], plan.epochs)
            if each is not None:
                each(entry)

        found = trainer.run(plan.checkpoint, self._identity(), after)
        self.net.to("cpu")
        self._check()
        tuning = self._tuning(labels, tuple(found.history), found.best, len(parts.held))
        file, program = self._written(tuning)
        return Tuned(file, program, self.net, tuple(found.history), self.checked)

    def _read_all(self) -> None:
        """Raise InputError for samples that do not fit the inputs, before anything is learned."""
        for start in range(0, count(self.x), 1024):
            self.net.messages(some(self.x, slice(start, start + 1024)), self.net.graph.steps)

    def _check(self) -> None:
        """Compare the module with the simulator on a few samples, entry for entry. Raises CheckFailed."""
        from seamount.tuning.export import program_of

        few = some(self.x, slice(CHECKED))
        messages = {k: v.cpu().numpy().astype(np.int32) for k, v in self.net.messages(few).items()}
        program = program_of(self.net, self.target, self.options)
        trace = load_backend("vectorized").run(program, messages, record=frozenset({"spikes", "u", "v"}))
        problems = []
        for name, series in self.net.states(few).items():
            for register, mine, theirs in zip("suv", series, (trace.spikes, trace.u, trace.v), strict=True):
                self.checked += mine.size
                if wrong := int(np.count_nonzero(mine != theirs[name])):
                    found = f"{wrong} of {mine.size} entries of {register} differ between the module and the simulator"
                    problems.append(Problem(f"layer '{name}'", found, "report this as a bug with the model"))
        raise_all(CheckFailed, problems)

    def _tuning(self, labels: Any, history: Sequence[Mapping[str, Any]], best: int, held: int) -> Tuning:
        from seamount.tuning.export import grids_of

        code = only_output(self.made.artifact.outputs)
        by_class = labels is not None and code.task not in BY_VALUE
        about = described(self.samples.source, {}, None)
        return Tuning(
            grids=grids_of(self.net.quantized()),
            weight_bits=self.options.weight_bits,
            layer_bits=dict(self.options.layer_bits),
            ternary=self.net.ternary,
            learned=self.net.trained.names,
            goal=Goal.DISTILLATION if labels is None else Goal.LABELS,
            data=str(about["name"]),
            samples=count(self.x) - held,
            validation=held,
            epochs=self.plan.epochs,
            best=best,
            seed=self.plan.seed,
            score=Score.ACCURACY if by_class else Score.LOSS,
            before=history[0]["score"] if history else 0.0,
            after=history[best]["score"] if history else 0.0,
        )

    def _written(self, tuning: Tuning) -> tuple[ModelFile, Program]:
        """The model file of this moment and its program. Raises CheckFailed where compiling it gives another one."""
        from seamount.tuning.export import program_of, tuned_file, tuned_graph

        model, old, code = self.model, self.model.file, only_output(self.made.artifact.outputs)
        inputs = self._golden_inputs()
        graph = tuned_graph(self.net)
        file = tuned_file(
            graph, old, model.encoding, inputs, model.about.name,
            framework=model.about.provenance.get("framework", "unknown"),
            versions={k: v for k, v in model.about.provenance.items() if k != "framework"},
            description="" if old is None else old.description,
            classes=tuple(model.about.classes), task=code.task, tuning=tuning,
        )  # fmt: skip
        program = program_of(self.net, self.target, self.options)
        again = compilation(
            Model.of_file(file), self.target, replace(self.options, weight_bits=8, layer_bits={}), vectors=False,
            progress=False,
        ).artifact.program  # fmt: skip
        found = program_differences(program, again)
        raise_all(CheckFailed, [Problem("the tuned network", f"compiles to other integers: {line}", _BUG) for line in found])
        return file, program

    def _golden_inputs(self) -> dict[str, NDArray[Any]]:

        names = [n.name for n in self.net.graph.inputs]
        old = self.model.file
        given = self.x if old is None or self.options.steps is not None else old.golden.inputs
        return {k: np.asarray(v[:GOLDEN], np.float32) for k, v in by_input(names, given).items()}

    def _identity(self) -> str:
        """What a checkpoint belongs to: the network, the samples, the options."""
        digest = hashlib.sha256()
        for name, p in self.net.state_dict().items():
            digest.update(name.encode() + p.cpu().numpy().tobytes())
        data = described(self.samples.source, self.x, self.samples.y)["digest"]
        plan = replace(self.plan, checkpoint=None)
        return f"network {digest.hexdigest()[:16]}, data {data}, bits {self.options.weight_bits} {self.options.layer_bits}, ternary {self.net.ternary}, {plan}"


_BUG = "report this as a bug with the model"
