"""What a frontend must know about its framework, and the table of frameworks; plug-ins add to it (docs/plugins.md).

To add one to Seamount itself: a module in this package with the name FRAMEWORK, the writers of its neurons beside it,
and a line in FRAMEWORKS.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

from seamount.compiler.errors import ImportRefused, InputError, Problem, raise_all
from seamount.compiler.ir.ops import Rule, Shape
from seamount.compiler.plugins import find, names
from seamount.frontends.conventions import Conventions
from seamount.frontends.frameworks import layers
from seamount.frontends.frameworks.parts import Part
from seamount.frontends.frameworks.refusal import Refusal
from seamount.frontends.traced import Lead

NeuronWriter = Callable[[str, torch.nn.Module, Shape], Part]
"""(node name, module, shape of the layer) -> its NIR nodes. Raises ImportRefused."""

FRAMEWORKS = {name: f"seamount.frontends.frameworks.{name}" for name in ("norse", "snntorch", "spikingjelly", "sinabs")}
"""Framework name (the root package of its classes) -> its frontend."""


def _never(module: torch.nn.Module) -> bool:
    return False


def _nothing(model: torch.nn.Module) -> None:
    pass


def _as_it_is(model: torch.nn.Module, samples: int, steps: int) -> AbstractContextManager[None]:
    return nullcontext()


def _unchanged(module: torch.nn.Module) -> AbstractContextManager[None]:
    return nullcontext()


def _itself(module: torch.nn.Module) -> torch.nn.Module | Refusal:
    return module


def _no_objections(name: str, module: torch.nn.Module) -> list[Problem]:
    return []


@dataclass(frozen=True, eq=False)
class Membrane:
    """How a neuron layer's membrane, the last of its outputs, is read.

    writer: the NIR nodes of a layer that computes it beside the neurons. after_spikes: whether it needs their spikes
    of the step before, at the `feedback` of the part.
    """

    writer: NeuronWriter
    after_spikes: Callable[[torch.nn.Module], bool]


@dataclass(frozen=True, eq=False)
class Framework:
    """A training framework.

    neurons: class -> writer. loop_classes: classes that run over (T, N, *shape) themselves; multi_step: whether a
    module is set to do so. refused: class name -> why it is not supported. containers: class names that are traced
    through. defaults: conventions of its neurons. versions: packages and their versions, for the model file.
    layers: class -> the torch.nn class that it acts as. membranes: class -> how its membrane is read.
    neuron_objections: what speaks against a neuron layer, known without running it.
    keeps_state: its neurons hold their state themselves when none is handed to them. reset: sets the states of a
    network to their start; called before each sample.
    leads: neuron classes that take all steps at once with other leading axes than (T, N). networks: modules of the
    package whose classes are whole networks and blocks, which are traced through. sized: makes the network ready for
    a number of samples and steps, for as long as the context lasts. plain: a stateless layer as one of torch.nn that
    does the same, or why there is none. readouts: neuron classes that send their membrane.
    scales: class of a layer that multiplies by a number, or by one of each channel -> that, for so many axes.
    several: whether a layer may send several spikes in one step.
    silent: whether a layer's threshold is infinite, so that it never fires and its membrane is meant; sending: while
    the context lasts, such a layer sends its membrane in place of spikes.
    combines: class of a readout -> how it combines its membranes over the steps itself, None where it returns a list of
    all; unrolled: its membranes at all steps, from what it was given.
    """

    name: str
    neurons: Mapping[type, NeuronWriter]
    loop_classes: frozenset[type]
    refused: Mapping[str, Refusal]
    containers: frozenset[str]
    defaults: Conventions
    versions: Callable[[], dict[str, str]]
    multi_step: Callable[[torch.nn.Module], bool] = _never
    layers: Mapping[type, type] = field(default_factory=dict)
    membranes: Mapping[type, Membrane] = field(default_factory=dict)
    neuron_objections: Callable[[str, torch.nn.Module], list[Problem]] = _no_objections
    keeps_state: bool = False
    reset: Callable[[torch.nn.Module], None] = _nothing
    leads: Mapping[type, Lead] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    sized: Callable[[torch.nn.Module, int, int], AbstractContextManager[None]] = _as_it_is
    plain: Callable[[torch.nn.Module], torch.nn.Module | Refusal] = _itself
    readouts: frozenset[type] = frozenset()
    scales: Mapping[type, Callable[[torch.nn.Module, int], float | torch.Tensor]] = field(default_factory=dict)
    combines: Mapping[type, Callable[[torch.nn.Module], Rule | None]] = field(default_factory=dict)
    unrolled: Callable[[torch.nn.Module, Any], torch.Tensor] | None = None
    several: Callable[[torch.nn.Module], bool] = _never
    silent: Callable[[torch.nn.Module], bool] = _never
    sending: Callable[[torch.nn.Module], AbstractContextManager[None]] = _unchanged

    def neuron_class(self, module: torch.nn.Module) -> type | None:
        """The class of `neurons` whose step the module runs: its own, or that of which it is a sub-class."""
        kind = type(module)
        if kind in self.neurons or self.owns(module):
            return kind if kind in self.neurons else None
        base = next((cls for cls in kind.__mro__ if cls in self.neurons), None)
        return base if base is not None and not _changed(kind, base) else None

    def is_neuron(self, module: torch.nn.Module) -> bool:
        """Whether the module is a neuron layer that can be written."""
        return self.neuron_class(module) is not None

    def changed_neuron(self, module: torch.nn.Module) -> Problem | None:
        """What a sub-class of a neuron layer changes, where it can therefore not be written."""
        base = next((cls for cls in type(module).__mro__ if cls in self.neurons), None)
        if base is None or self.owns(module) or self.is_neuron(module):
            return None
        what = ", ".join(_changed(type(module), base))
        found = f"is a sub-class of {base.__name__} that changes {what}"
        return Problem(type(module).__name__, found, f"use {base.__name__} as it is; what it computes is then known")

    def fires(self, module: torch.nn.Module) -> bool:
        """Whether a neuron layer sends spikes of 0 and 1, not its membrane or several spikes at once."""
        if self.neuron_class(module) in self.readouts or self.never_fires(module):
            return False
        return not self.several(module)

    def never_fires(self, module: torch.nn.Module) -> bool:
        """Whether a neuron layer has a threshold that is infinite."""
        return self.is_neuron(module) and self.silent(module)

    @contextmanager
    def prepared(self, model: torch.nn.Module, samples: int, steps: int) -> Iterator[None]:
        """The network ready for so many samples and steps, its layers that never fire sending their membranes."""
        with ExitStack() as stack:
            stack.enter_context(self.sized(model, samples, steps))
            for module in model.modules():
                if self.never_fires(module):
                    stack.enter_context(self.sending(module))
            yield

    def combined(self, module: torch.nn.Module) -> Rule | None:
        """How a readout combines its membranes over the steps itself."""
        kind = self.neuron_class(module)
        combines = self.combines.get(kind) if kind is not None else None
        return combines(module) if combines is not None else None

    def sent(self, module: torch.nn.Module, given: Any, output: Any) -> torch.Tensor:
        """What a neuron layer sends at each step, from what a call was given and returned."""
        if self.neuron_class(module) in self.combines and self.unrolled is not None:
            return self.unrolled(module, given)
        first = output[0] if isinstance(output, tuple) else output
        assert isinstance(first, torch.Tensor)
        return first

    def loops(self, module: torch.nn.Module) -> bool:
        """Whether the layer takes all steps at once."""
        return self.lead(module) != "N"

    def lead(self, module: torch.nn.Module) -> Lead:
        """The leading axes that the layer takes."""
        whole = self.neuron_class(module) in self.loop_classes or self.multi_step(module)
        return self.leads.get(self.neuron_class(module) or type(module), "TN" if whole else "N")

    def whole_leads(self, model: torch.nn.Module) -> set[Lead]:
        """The leading axes of neuron layers of the model that take all steps at once."""
        return {self.lead(m) for m in model.modules() if self.is_neuron(m)} - {"N"}

    def writer(self, module: torch.nn.Module) -> NeuronWriter:
        """The writer of a neuron layer."""
        return self.neurons[self.neuron_class(module) or type(module)]

    def membrane(self, module: torch.nn.Module) -> Membrane | None:
        """How a neuron layer's membrane is read, where it can be."""
        kind = self.neuron_class(module)
        return self.membranes.get(kind) if kind is not None else None

    def kind(self, module: torch.nn.Module) -> type:
        """The torch.nn class that a stateless layer acts as; its own class if there is none."""
        return self.layers.get(type(module)) or layers.kind_of(module)

    def owns(self, module: torch.nn.Module) -> bool:
        """Whether the module's class comes with the framework."""
        return type(module).__module__.partition(".")[0] == self.name

    def is_leaf(self, module: torch.nn.Module) -> bool:
        """Whether tracing stops at the module."""
        inside = type(module).__name__ in self.containers or type(module).__module__.startswith(self.networks or ("/",))
        foreign = self.owns(module) and not inside
        changed = self.changed_neuron(module) is not None
        return self.is_neuron(module) or foreign or changed or layers.is_leaf(module)

    def leaves(self, model: torch.nn.Module, name: str = "") -> Iterator[tuple[str, torch.nn.Module]]:
        """Names and modules where tracing stops; what they are made of (parametrizations, say) is not looked at."""
        if self.is_leaf(model):
            yield name, model
            return
        for child, module in model.named_children():
            yield from self.leaves(module, f"{name}.{child}" if name else child)

    def objections(self, model: torch.nn.Module, among: Collection[torch.nn.Module] | None = None) -> list[Problem]:
        """Every module (of `among`) that cannot be carried over, known without tracing it."""
        problems = []
        for name, module in self.leaves(model):
            if among is not None and module not in among:
                continue
            where = f"layer '{name or type(module).__name__}' ({type(module).__name__})"
            problems += layers.precision_objections(where, module)
            changed = self.changed_neuron(module)
            if changed is not None:
                problems.append(replace(changed, where=where))
            elif self.is_neuron(module):
                problems += self.neuron_objections(name or type(module).__name__.lower(), module)
            elif type(module) in self.scales:
                continue
            elif type(module) in self.layers:
                plain = self.plain(module)
                if isinstance(plain, Refusal):
                    problems.append(Problem(where, plain.found, plain.remedy))
                else:
                    problems += layers.objections(where, plain, self.layers[type(module)])
            elif self.owns(module):
                kind = type(module).__name__
                supported = ", ".join(sorted(c.__name__ for c in self.neurons if c not in self.combines))
                why = self.refused.get(kind) or Refusal(f"{self.name}'s {kind} has no counterpart in NIR")
                problems.append(Problem(where, why.found, why.remedy or f"use one of {supported}"))
            else:
                problems += layers.objections(where, module, layers.kind_of(module))
        return problems


def _changed(kind: type, base: type) -> list[str]:
    """Attributes of a neuron class that a sub-class defines anew, other than how it is built and shown."""
    between = kind.__mro__[: kind.__mro__.index(base)]
    own = {name for cls in between for name in vars(cls) if not name.startswith("__") and name != "extra_repr"}
    return sorted(name for name in own if hasattr(base, name))


_INSTALL_ALSO = {"sinabs": " and then pip install --no-deps sinabs, in an environment of its own"}
"""sinabs 3.1.3 asks for nir <= 1.0.4, which the extra cannot install beside Seamount's."""


def framework_names() -> tuple[str, ...]:
    """The names `find_framework` knows: root packages of the classes of neurons."""
    return (*FRAMEWORKS, *names("seamount.frontends", FRAMEWORKS))


_WRAPPERS = {
    "DataParallel": ("is wrapped in DataParallel, which splits the batch", "module"),
    "DistributedDataParallel": ("is wrapped in DistributedDataParallel, which splits the batch", "module"),
    "FullyShardedDataParallel": ("is wrapped in FullyShardedDataParallel, which splits its weights", "module"),
    "OptimizedModule": ("was made by torch.compile, which hides its layers", "_orig_mod"),
    "_FabricModule": ("is wrapped by Lightning Fabric", "module"),
}
"""Class -> what it is, and where it keeps the module that was given to it."""


def _is_lightning(kind: type) -> bool:
    return any(cls.__name__ == "LightningModule" for cls in kind.__mro__)


def _has_forward(kind: type) -> bool:
    """Whether a class below Lightning's own defines forward."""
    above = next(i for i, cls in enumerate(kind.__mro__) if cls.__name__ == "LightningModule")
    return any("forward" in vars(cls) for cls in kind.__mro__[:above])


def _wrappers(model: torch.nn.Module) -> list[Problem]:
    """Wrappers around the model or a part of it, which hide the layers that they run."""
    problems = []
    for name, module in model.named_modules():
        kind = type(module).__name__
        if kind in _WRAPPERS and type(module).__module__.startswith(("torch.", "lightning", "pytorch_lightning")):
            found, inner = _WRAPPERS[kind]
            given = "model" + (f".{name}" if name else "")
            remedy = f"give {given}.{inner}, the module it was made of"
            problems.append(Problem(f"layer '{name}'" if name else "model", found, remedy))
        elif _is_lightning(type(module)) and not _has_forward(type(module)):
            held = [n for n, child in module.named_children() if not type(child).__module__.startswith("torch")]
            what = f"model.{held[0]}" if len(held) == 1 else "the network that it holds (model.net or the like)"
            found, remedy = "is a LightningModule without a forward of its own", f"give {what}, or write forward"
            problems.append(Problem(f"layer '{name}'" if name else "model", found, remedy))
            break
        elif isinstance(module, torch.jit.ScriptModule):
            where = f"layer '{name}'" if name else "model"
            problems.append(
                Problem(where, "is TorchScript, which cannot be looked into", "give the module it was made of")
            )
            break
    return problems


def find_framework(model: torch.nn.Module, name: str | None = None) -> Framework:
    """The framework of a module's neuron layers. Raises InputError or ImportRefused."""
    if not isinstance(model, torch.nn.Module):
        raise InputError(Problem("model", f"is a {type(model).__name__}", "give the torch.nn.Module that was trained"))
    raise_all(ImportRefused, _wrappers(model))
    if name is None:
        roots = {cls.__module__.partition(".")[0] for m in model.modules() for cls in type(m).__mro__}
        known = sorted(roots & set(framework_names()))
        if len(known) != 1:
            found = "holds no neuron layer of a known framework" if not known else f"mixes {' and '.join(known)}"
            raise ImportRefused(Problem("model", found, f"known frameworks: {', '.join(framework_names())}"))
        name = known[0]
    plugin = find("seamount.frontends", name, FRAMEWORKS)
    if plugin is not None:
        made = plugin.load()
        made = getattr(made, "FRAMEWORK", None) if isinstance(made, ModuleType) else made
        if not isinstance(made, Framework) or made.name != name:
            raise plugin.refused(f"is no Framework of the name '{name}'", "see docs/plugins.md")
        return made
    if name not in FRAMEWORKS:
        found = f"framework {name!r} is not known"
        raise InputError(Problem("framework", found, f"known frameworks: {', '.join(framework_names())}"))
    try:
        module = import_module(FRAMEWORKS[name])
    except ModuleNotFoundError as error:
        found = f"the package {error.name} is not installed"
        more = _INSTALL_ALSO.get(name, "")
        raise InputError(Problem("framework", found, f"pip install 'seamount[{name}]'{more}")) from None
    framework: Framework = module.FRAMEWORK
    return framework
