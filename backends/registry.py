"""Names of backends, of target files, of system files and of cost sets.

Backends load when asked for, so that naming them needs none of what they import.
"""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from seamount.compiler.errors import InputError, Problem

if TYPE_CHECKING:
    from seamount.compiler.energy.cost_set import CostSet
    from seamount.compiler.execution import Backend
    from seamount.compiler.target.system import System
    from seamount.compiler.target.target import Target

BACKENDS = {
    "cpu": "seamount.backends.cpu.run:CpuEngine",
    "cuda": "seamount.backends.cuda.run:CudaEngine",
    "lava": "seamount.backends.lava.run:LavaBackend",
    "loihi2": "seamount.backends.lava.run:Loihi2Backend",
    "reference": "seamount.backends.simulator.reference:ReferenceSimulator",
    "vectorized": "seamount.backends.simulator.vectorized:VectorizedSimulator",
}
"""Name -> module:class; the class takes no argument."""

EXTRAS = {"numba": "fast", "llvmlite": "fast", "torch": "torch"}
"""Library that a backend may need -> the extra that installs it."""

DEFAULT_BACKEND = "vectorized"
"""What runs an artifact whose target names no backend of its own."""


LARGE_RUN = 2**29
"""Neuron updates from which on the engine pays, its start included: some ten seconds of the vectorized simulator."""


def suited_backend(updates: int) -> str:
    """The name of what runs so many neuron updates soonest: the engine, if it is installed and the run is large."""
    return "cpu" if updates >= LARGE_RUN and find_spec("numba") is not None else DEFAULT_BACKEND


def list_backends() -> tuple[str, ...]:
    """The names `load_backend` knows."""
    return tuple(BACKENDS)


def load_backend(name: str) -> Backend:
    """The backend of that name. Raises InputError for a name that is none."""
    if name not in BACKENDS:
        raise InputError(Problem(f"backend '{name}'", "does not exist", f"one of {', '.join(BACKENDS)}"))
    module, _, attribute = BACKENDS[name].partition(":")
    try:
        return cast("Backend", getattr(import_module(module), attribute)())
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        remedy = f"pip install 'seamount[{EXTRAS[error.name]}]', or another backend"
        raise InputError(Problem(f"backend '{name}'", f"needs {error.name}, which is not installed", remedy)) from None


def list_targets() -> tuple[str, ...]:
    """The names `load_target` knows: the target files shipped with Seamount."""
    return _names("targets")


def load_target(name: str) -> Target:
    """The target of that name, or of the file when `name` ends in .toml.

    Raises InputError for a name that is none, and for every fault of the file.
    """
    from seamount.compiler.target.target_file import read_target

    return read_target(_file("target", name))


def list_systems() -> tuple[str, ...]:
    """The names `load_system` knows: the system files shipped with Seamount."""
    return _names("systems")


def load_system(name: str) -> System:
    """The system of that name, or of the file when `name` ends in .toml.

    Raises InputError for a name that is none, and for every fault of the file.
    """
    from seamount.compiler.target.system_file import read_system

    return read_system(_file("system", name))


def list_costs() -> tuple[str, ...]:
    """The names `load_costs` knows: the cost sets shipped with Seamount."""
    return _names("costs")


def load_costs(name: str) -> CostSet:
    """The cost set of that name, or of the file when `name` ends in .toml.

    Raises InputError for a name that is none, and for every fault of the file.
    """
    from seamount.compiler.energy.cost_file import read_costs

    return read_costs(_file("cost", name))


def costs_of(chip: str) -> CostSet | None:
    """The set that prices a chip unless another is named; None where there is none."""
    for name in list_costs():
        costs = load_costs(name)
        if costs.default and costs.chip == chip:
            return costs
    return None


def _names(kind: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _folder(kind).glob("*.toml")))


def _file(kind: str, name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    known = _names(f"{kind}s")
    if name not in known:
        remedy = f"one of {', '.join(known)}, or the path of a .toml file"
        raise InputError(Problem(f"{kind} '{name}'", "does not exist", remedy))
    return _folder(f"{kind}s") / f"{name}.toml"


def _folder(kind: str) -> Path:
    return Path(str(files(f"seamount.backends.{kind}")))
