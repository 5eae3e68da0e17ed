"""Names of backends, of target files, of system files and of cost sets, those of plug-ins included.

Backends load when asked for, so that naming them needs none of what they import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, cast

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.plugins import Plugin, collision, faults, find, names, plugins

if TYPE_CHECKING:
    from seamount.compiler.energy.cost_set import CostSet
    from seamount.compiler.execution import Backend
    from seamount.compiler.target.system import System
    from seamount.compiler.target.target import Target

Read = TypeVar("Read")

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
    return (*BACKENDS, *names("seamount.backends", BACKENDS))


def load_backend(name: str) -> Backend:
    """The backend of that name. Raises InputError for an unknown name, and for a plug-in that cannot be used."""
    plugin = find("seamount.backends", name, BACKENDS)
    if plugin is not None:
        return _plugin_backend(plugin)
    if name not in BACKENDS:
        raise InputError(Problem(f"backend '{name}'", "does not exist", f"one of {', '.join(list_backends())}"))
    module, _, attribute = BACKENDS[name].partition(":")
    try:
        return cast("Backend", getattr(import_module(module), attribute)())
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        remedy = f"pip install 'seamount[{EXTRAS[error.name]}]', or another backend"
        raise InputError(Problem(f"backend '{name}'", f"needs {error.name}, which is not installed", remedy)) from None


def _plugin_backend(plugin: Plugin) -> Backend:
    kind = plugin.load()
    if not callable(getattr(kind, "run", None)) or getattr(kind, "name", None) != plugin.name:
        raise plugin.refused(f"is no backend of the name '{plugin.name}'", "see docs/plugins.md")
    return cast("Backend", kind())


def plugin_faults() -> tuple[Problem, ...]:
    """What is wrong with plug-ins of backends, targets, systems and costs, for listings; imports each of them."""
    found = list(faults("seamount.backends", BACKENDS))
    broken = {p.where for p in faults("seamount.targets", ())}
    found += faults("seamount.targets", ())
    for plugin in plugins("seamount.targets"):
        if plugin.where not in broken:
            for kind in KINDS:
                found += _unusable(kind, plugin)
    return tuple(dict.fromkeys(found))


def _unusable(kind: Kind, plugin: Plugin) -> Iterable[Problem]:
    """Faults of one kind of files of a sound package."""
    for name in _stems(_plugin_folder(plugin, kind)):
        try:
            READ[kind](name)
        except InputError as error:
            yield from error.problems


def list_targets() -> tuple[str, ...]:
    """The names `load_target` knows: the target files shipped with Seamount."""
    return _names("target")


def load_target(name: str) -> Target:
    """The target of that name, or of the file when `name` ends in .toml.

    Raises InputError for an unknown name, and for every fault of the file.
    """
    from seamount.compiler.target.target_file import read_target

    return read_target(_file("target", name))


def sound_targets() -> tuple[Target, ...]:
    """Every target whose file can be read; `plugin_faults` says what is wrong with the others."""
    return _sound(list_targets(), load_target)


def sound_systems() -> tuple[System, ...]:
    """Every system whose file can be read; `plugin_faults` says what is wrong with the others."""
    return _sound(list_systems(), load_system)


def list_systems() -> tuple[str, ...]:
    """The names `load_system` knows: the system files shipped with Seamount."""
    return _names("system")


def load_system(name: str) -> System:
    """The system of that name, or of the file when `name` ends in .toml.

    Raises InputError for an unknown name, and for every fault of the file.
    """
    from seamount.compiler.target.system_file import read_system

    return read_system(_file("system", name))


def list_costs() -> tuple[str, ...]:
    """The names `load_costs` knows: the cost sets shipped with Seamount."""
    return _names("cost")


def load_costs(name: str) -> CostSet:
    """The cost set of that name, or of the file when `name` ends in .toml.

    Raises InputError for an unknown name, and for every fault of the file.
    """
    from seamount.compiler.energy.cost_file import read_costs

    return read_costs(_file("cost", name))


def costs_of(chip: str) -> CostSet | None:
    """The set that prices a chip unless another is named; None where there is none."""
    for costs in _sound(list_costs(), load_costs):
        if costs.default and costs.chip == chip:
            return costs
    return None


Kind: TypeAlias = Literal["target", "system", "cost"]
KINDS: tuple[Kind, ...] = ("target", "system", "cost")
READ: Mapping[Kind, Callable[[str], object]] = {"target": load_target, "system": load_system, "cost": load_costs}


def _sound(known: Iterable[str], load: Callable[[str], Read]) -> tuple[Read, ...]:
    found = []
    for name in known:
        try:
            found.append(load(name))
        except InputError:  # of a plug-in: `plugin_faults` reports it
            continue
    return tuple(found)


def _names(kind: Kind) -> tuple[str, ...]:
    """Names of files, those that ship first; files that cannot be read and clashes are left to `plugin_faults`."""
    shipped = _stems(_shipped_folder(kind))
    added = {name for folder in _plugin_folders(kind).values() for name in _stems(folder)}
    return (*shipped, *sorted(added - set(shipped)))


def _file(kind: Kind, name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    folders = {"Seamount": _shipped_folder(kind)} | _plugin_folders(kind)
    owners = {owner: folder for owner, folder in folders.items() if name in _stems(folder)}
    if len(owners) > 1:
        raise InputError(collision(kind, name, tuple(owners)))
    if not owners:
        remedy = f"one of {', '.join(_names(kind))}, or the path of a .toml file"
        raise InputError([Problem(f"{kind} '{name}'", "does not exist", remedy), *faults("seamount.targets", ())])
    return next(iter(owners.values())) / f"{name}.toml"


def _stems(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def _shipped_folder(kind: Kind) -> Path:
    return Path(str(files(f"seamount.backends.{kind}s")))


def _plugin_folders(kind: Kind) -> dict[str, Path]:
    """Distribution -> its folder of such files. A package that cannot be imported has none; listings name it."""
    folders = {}
    for plugin in plugins("seamount.targets"):
        try:
            folders[plugin.distribution] = _plugin_folder(plugin, kind)
        except InputError:
            continue
    return folders


def _plugin_folder(plugin: Plugin, kind: Kind) -> Path:
    """Targets lie in the package itself, systems and costs in folders of that name below it."""
    root = Path(str(files(plugin.load())))
    return root if kind == "target" else root.joinpath(f"{kind}s")
