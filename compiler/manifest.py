"""What an artifact says of itself, beside its program: manifest.json and analysis.json as types.

docs/stability.md says what later versions promise. Version 1 differs from 2 in that its notes and conventions are
sentences, and in that it lists what the program needs on a chip, which is told from the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Struct, field

from seamount.compiler.analysis.distributions import Thresholds, Weights
from seamount.compiler.analysis.operations import Products
from seamount.compiler.analysis.precision import LayerPrecision
from seamount.compiler.codes import InputCode, OutputCode
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.notes import Note, Text
from seamount.compiler.ir.tuned import Tuning
from seamount.compiler.program.folder import FORMAT, VERSION

T = TypeVar("T")


class About(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of the model. conventions: what its file did not say, with who said so. tuning: in
    integers, where it was tuned."""

    name: str = "model"
    conventions: tuple[Note, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    float_accuracy: float | None = None
    classes: tuple[str, ...] = ()
    tuning: Tuning | None = None

    def untuned(self) -> About:
        """The same without its tuning, for what chooses grids of its own."""
        return msgspec.structs.replace(self, tuning=None)


class TargetName(Struct, frozen=True, forbid_unknown_fields=True):
    """Which description of a chip was compiled for; empty where that is not stated."""

    name: str = ""
    chip: str = ""
    date: str = ""


class Chosen(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of the compilation."""

    weight_bits: int
    layer_bits: Mapping[str, int] = field(default_factory=dict)
    max_delay: int | None = None
    balance_delays: bool = True
    slow_down: int = 1
    prove: bool = False


class Manifest(Struct, frozen=True, kw_only=True):
    """How an artifact came about. digests: file -> sha256, filled by load_artifact.

    calibration_samples: None where that is not stated, 0 where activity was assumed.
    """

    seamount: str = ""
    model: About = field(default_factory=About)
    target: TargetName = TargetName()
    options: Chosen | None = None
    steps: int = 0
    pipeline: str = ""
    passes: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    layers: tuple[LayerPrecision, ...] = ()
    calibration_samples: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)


def noted_first(manifest: Manifest, note: Note) -> Manifest:
    """The manifest with one more note, ahead of the others."""
    return msgspec.structs.replace(manifest, notes=(note, *manifest.notes))


class Analysis(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What only the compiler saw, for the report. trained: products of the layers before anything was folded."""

    weights: tuple[Weights, ...] = ()
    thresholds: tuple[Thresholds, ...] = ()
    trained: tuple[Products, ...] = ()


class Stored(Struct, frozen=True, kw_only=True):
    """A manifest with how data become messages and what the answers mean."""

    manifest: Manifest
    inputs: tuple[InputCode, ...]
    outputs: tuple[OutputCode, ...]


class _AboutFile(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """About in either version."""

    name: str
    conventions: tuple[Note | str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)
    float_accuracy: float | None = None
    classes: tuple[str, ...] = ()
    tuning: Tuning | None = None


class _StatedNeed(Struct, frozen=True, forbid_unknown_fields=True):
    """What version 1 says of the program beside the program; checked and not used."""

    where: str
    what: str


class _File(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """manifest.json in either version."""

    format: Literal["seamount-artifact"]
    version: Literal[1, 2]
    seamount: str = ""
    model: _AboutFile
    target: TargetName = TargetName()
    options: Chosen | None = None
    steps: int = 0
    pipeline: str = ""
    passes: tuple[str, ...] = ()
    notes: tuple[Note | str, ...] = ()
    layers: tuple[LayerPrecision, ...] = ()
    chip_needs: tuple[_StatedNeed, ...] = ()
    calibration_samples: int | None = None
    digests: dict[str, str]
    inputs: tuple[InputCode, ...]
    outputs: tuple[OutputCode, ...]


def decode(path: Path, kind: type[T], remedy: str = "compile the model again") -> T:
    """A JSON file as a type. Raises InputError that names the file and the field."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(Problem(str(path), f"is damaged: {error}", remedy)) from None


def read_stored(path: Path) -> Stored:
    """A manifest of either version. Raises InputError that names the file and the field."""
    file = decode(path, _File)
    about = file.model
    conventions = tuple(_note(n) for n in about.conventions)
    model = About(
        name=about.name, conventions=conventions, provenance=about.provenance,
        float_accuracy=about.float_accuracy, classes=about.classes, tuning=about.tuning,
    )  # fmt: skip
    manifest = Manifest(
        seamount=file.seamount, model=model, target=file.target, options=file.options, steps=file.steps,
        pipeline=file.pipeline, passes=file.passes, notes=tuple(_note(n) for n in file.notes), layers=file.layers,
        calibration_samples=file.calibration_samples, digests=file.digests,
    )  # fmt: skip
    return Stored(manifest=manifest, inputs=file.inputs, outputs=file.outputs)


def tree_of(stored: Stored, digests: Mapping[str, str]) -> dict[str, Any]:
    """The manifest as plain data, to be written."""
    whole: dict[str, Any] = plain(stored)
    if whole["manifest"]["model"]["tuning"] is None:
        del whole["manifest"]["model"]["tuning"]
    return {
        "format": FORMAT,
        "version": VERSION,
        **whole["manifest"],
        "inputs": whole["inputs"],
        "outputs": whole["outputs"],
        "digests": dict(digests),
    }


def plain(value: Any) -> Any:
    """A struct as dictionaries, lists and numbers."""
    return msgspec.to_builtins(value, enc_hook=_number)


def _number(value: object) -> object:
    """A number of numpy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} in JSON")


def _note(note: Note | str) -> Note:
    return Text(note) if isinstance(note, str) else note
