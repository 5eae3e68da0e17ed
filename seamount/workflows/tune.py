"""A trained network, fine-tuned in the integers that will run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend, load_target
from seamount.compiler.codes import BY_VALUE, InputCode, Samples, by_input, count, encode, some
from seamount.compiler.errors import CheckFailed, InputError, Problem, raise_all
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import Input
from seamount.compiler.ir.tuned import Goal, Score, Tuning
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import Options
from seamount.compiler.program.program import Conv, Program
from seamount.compiler.target.target import Target
from seamount.progress import Progress, watched
from seamount.workflows.compile import CALIBRATED, Compilation, compilation
from seamount.workflows.data import Data, DataSource, Labelled, described, labelled, of_one_length
from seamount.workflows.labels import read_labels
from seamount.workflows.load import Model, model_of
from seamount.workflows.outputs import check_stock_firing, only_output
from seamount.workflows.tuned import LEARN, LEARNABLE, Tuned, TuneSettings

if TYPE_CHECKING:
    from seamount.frontends.model_file.model import ModelFile
    from seamount.tuning.network import IntegerNetwork

CHECKED, GOLDEN, READ = 4, 8, 1024
"""Samples on which the module is compared with the simulator before, during and after; samples of the golden trace;
samples checked at a time."""
RATE, RATE_IN_LOOPS = 0.02, 0.003
Epoch = Callable[[Mapping[str, Any]], None]
"""Called after each epoch with its number, loss, and loss and score on the samples held out; first with epoch 0."""


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
    model = model_of(source, assume=assume, steps=steps, **tracing)
    chosen = load_target(target) if isinstance(target, str) else target
    options = Options(weight_bits, dict(bits or {}), steps)
    samples = _samples(data, steps or model.steps)
    x = of_one_length(samples, steps or model.steps, steps is not None)
    _check_samples(model, x, steps or model.steps)
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
    of every layer; call `net.clip_()` after each update. `net.quantized()` is the graph with its integers.
    Raises as `seamount.compile` does, and InputError without PyTorch.

    Example:
        net = seamount.torch_module("model.pt", weight_bits=4)
        loss = torch.nn.functional.cross_entropy(net(net.messages(x))["output"], y)
    """
    model = model_of(source, assume=assume, steps=steps, **tracing)
    chosen = load_target(target) if isinstance(target, str) else target
    options = Options(weight_bits, dict(bits or {}), steps)
    _, net = _module(model, chosen, options, calibrate, tuple(learn), ternary, False)
    return net


def _check_samples(model: Model, x: Samples, steps: int) -> None:
    """Raise InputError for samples that do not fit the inputs, before anything else is done with them."""
    codes = []
    for node in model.graph.inputs:
        op = node.op
        assert isinstance(op, Input)
        codes.append(InputCode(node.name, op.shape, op.coding, 1.0, op.low, op.high, model.encoding))
    lasting = 1 if model.encoding == "constant" else steps
    for start in range(0, count(x), READ):
        encode(codes, some(x, slice(start, start + READ)), lasting)


def _checked_settings(plan: TuneSettings) -> TuneSettings:
    problems = [
        Problem(f"learn '{name}'", "cannot learn", f"any of {', '.join(LEARNABLE)}")
        for name in plan.learn
        if name not in LEARNABLE
    ]
    for name, value, good, limit in (
        ("epochs", plan.epochs, plan.epochs >= 1, "at least 1"),
        ("batch", plan.batch, plan.batch >= 1, "at least 1"),
        ("rate", plan.rate, plan.rate is None or 0 < plan.rate <= 1, "above 0, at most 1"),
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
    model.check_trained("nothing is left to tune", "give the network that it was made from")
    network = _torch()
    from seamount.tuning.parts import Trained, even_biases

    plain = replace(model, about=model.about.untuned())
    stages: dict[str, Graph] = {}

    def watch(p: Pass, graph: Graph) -> None:
        stages[p.name] = graph

    made = compilation(plain, target, options, calibrate=calibrate, watch=watch, vectors=False, progress=False)
    check_stock_firing(made.artifact.program, "tuning")
    raise_all(InputError, _untunable(made.artifact.program))
    trained = Trained(**{name: name in learn for name in LEARNABLE})
    graph = stages[Quantize.name]
    if even:
        graph = even_biases(graph, made.canonical)
    net = network.IntegerNetwork(graph, made.canonical, made.artifact.inputs, trained, ternary)
    network.refuse_nothing_to_train(net)
    return made, net


def _untunable(program: Program) -> list[Problem]:
    """Parts that the torch module does not compute."""
    found = []
    for q in program.projections:
        if isinstance(q.connection, Conv) and q.connection.input_dilation != (1, 1):
            what = "is, or was folded with, a transposed convolution, which tuning does not know"
            found.append(Problem(f"layer '{q.name}'", what, "compile the network as it was trained"))
    for p in program.populations:
        if np.ndim(p.reset_by):
            what = "takes another amount at a spike of each neuron, and tuning knows one per layer"
            found.append(Problem(f"layer '{p.name}'", what, "train with one leak per layer"))
    return found


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
        self._check()
        self._written(self._tuning(labels, (), 0, 0))  # what cannot be written is refused before training
        self.net.to(plan.device)
        parts = split(count(self.x), plan.validation, plan.seed)
        trainer = Trainer(
            self.net, output, self.x, labels, parts, Schedule(plan.epochs, plan.batch, self._rate(), plan.seed)
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

    def _rate(self) -> float:
        if self.plan.rate is not None:
            return self.plan.rate
        return RATE_IN_LOOPS if self.net.has_loops else RATE

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
        from seamount.tuning.export import integers_differing, program_of, tuned_file, tuned_graph

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
        found = integers_differing(program, again)
        differing = [Problem("the tuned network", f"compiles to other integers: {line}", _BUG) for line in found]
        raise_all(CheckFailed, differing)
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
        bits = f"bits {self.options.weight_bits} {dict(self.options.layer_bits)}, ternary {self.net.ternary}"
        return f"network {digest.hexdigest()[:16]}, data {data}, {bits}, {plan}"


_BUG = "report this as a bug with the model"
