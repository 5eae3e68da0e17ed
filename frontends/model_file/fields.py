"""A model file as one flat dict of tensors, strings and numbers, and back, with every field checked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import Task
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.tuned import Tuning
from seamount.compiler.version import __version__
from seamount.frontends.conventions import Meaning
from seamount.frontends.model_file.model import Golden, ModelFile, Ports, by_port

FORMAT = "seamount-model"
VERSION = 2
"""Written; version 1, which has no digest, is still read."""
READ = (1, VERSION)
SPIKES = "golden.spikes/"
"""Prefix of the packed spikes of one neuron layer; the NIR node's name follows."""
MESSAGES = "golden.messages/"
"""The same where a layer sent several spikes in one step: a byte for each."""
PORTS = ("inputs", "series", "outputs")
"""Members of the golden trace that are one array, golden.MEMBER, or one per port, golden.MEMBER/NODE."""

_AGAIN = "save the model again with this version of Seamount"


def to_fields(model: ModelFile) -> dict[str, Any]:
    """The dict that is stored: numpy arrays, strings, integers and floats under fixed names."""
    golden = model.golden
    fields: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "seamount": __version__,
        "framework": model.framework,
        "versions": _json(dict(sorted(model.versions.items()))),
        "name": model.name,
        "description": model.description,
        "meaning": _json(_plain(msgspec.to_builtins(model.meaning))),
        "classes": _json(list(model.classes)),
        "left_out": _json(list(model.left_out)),
        "ties": model.ties,
        "nir": np.frombuffer(model.nir, np.uint8).copy(),
        "golden.shapes": _json({k: list(v.shape) for k, v in sorted(golden.spikes.items())}),
    }
    for member in PORTS:
        for name, values in by_port(getattr(golden, member), ("",)).items():
            fields[_field(f"golden.{member}", name)] = values
    if model.accuracy is not None:
        fields["accuracy"] = float(model.accuracy)
    if model.task not in (None, Task.CLASSES):
        fields["task"] = model.task.value
    if model.tuning is not None:
        fields["tuning"] = _json(msgspec.to_builtins(model.tuning))
    if golden.labels is not None:
        fields["golden.labels"] = golden.labels
    for name, spikes in sorted(golden.spikes.items()):
        several = spikes.max(initial=0) > 1
        fields[(MESSAGES if several else SPIKES) + name] = spikes if several else np.packbits(spikes.reshape(-1))
    fields["digest"] = digest(fields)
    return fields


def digest(fields: Mapping[str, Any]) -> str:
    """SHA-256 over all fields but "digest" itself, in the order of their names.

    Of each its name and its type as text, each with its length, then its length and its bytes: UTF-8 of texts and of
    numbers as Python writes them, arrays in C order and little-endian.
    """
    total = hashlib.sha256()
    for name in sorted(set(fields) - {"digest"}):
        kind, content = _bytes_of(fields[name])
        for part in (name.encode(), kind.encode(), content):
            total.update(len(part).to_bytes(8, "little"))
            total.update(part)
    return total.hexdigest()


def _bytes_of(value: Any) -> tuple[str, bytes]:
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        return f"{value.dtype.name} {list(value.shape)}", plain.tobytes()
    return type(value).__name__, (value if isinstance(value, str) else repr(value)).encode()


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _plain(value: Any) -> Any:
    """JSON has no infinity: it is written as text; unset values are left out."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def from_fields(fields: Mapping[str, Any], path: str) -> ModelFile:
    """Check every field and build the ModelFile. Raises InputError with all faults."""
    _check_version(fields.get("version"), path)
    reader = _Reader(dict(fields), path)
    told = reader.text("digest") if fields["version"] > 1 else None
    meaning = reader.parsed("meaning", Meaning)
    shapes = reader.parsed("golden.shapes", dict[str, tuple[int, ...]]) or {}
    classes = reader.parsed("classes", tuple[str, ...]) or ()
    left_out = reader.parsed("left_out", tuple[str, ...]) or ()
    versions = reader.parsed("versions", dict[str, str]) or {}
    nir = reader.array("nir", np.uint8, 1)
    inputs, series, outputs = (reader.ports(f"golden.{member}") for member in PORTS)
    task = reader.task()
    tuning = reader.parsed("tuning", Tuning, optional=True)
    labels = reader.array("golden.labels", np.float64 if task is Task.VALUES else np.int64, optional=True)
    texts = {k: reader.text(k) for k in ("framework", "name", "description", "seamount")}
    accuracy = reader.number("accuracy", float, 0, 1, optional=True)
    ties = reader.number("ties", int, 0, 2**62)
    spikes = {k: reader.spikes(k, shape) for k, shape in shapes.items()}
    reader.nothing_left()
    reader.raise_all()
    assert meaning is not None
    golden = Golden(inputs, spikes, series, outputs, labels)
    _check_golden(meaning, golden, path, task)
    if told is not None and told != digest({k: _stored(v) for k, v in fields.items()}):
        found = "its digest does not fit its content: it was damaged or changed after it was saved"
        raise InputError(Problem(path, found, "copy it again, or save the model again"))
    return ModelFile(
        nir=nir.tobytes(), meaning=meaning, golden=golden, framework=texts["framework"], versions=versions,
        name=texts["name"], description=texts["description"], accuracy=accuracy, classes=classes, ties=int(ties or 0),
        left_out=left_out, task=task, tuning=tuning,
    )  # fmt: skip


def _stored(value: Any) -> Any:
    """A checked field as `to_fields` makes it."""
    return value if isinstance(value, (str, int, float)) else value.numpy()


def _check_version(version: object, path: str) -> None:
    if type(version) is int and version in READ:
        return
    remedy = "update Seamount" if type(version) is int and version > VERSION else _AGAIN
    told = f"{version!r}"[:40] if isinstance(version, (int, float, str)) or version is None else type(version).__name__
    limit = f"this Seamount reads versions {READ[0]} to {READ[-1]}"
    raise InputError(Problem(path, f"model file of version {told}", remedy, limit))


def _check_golden(meaning: Meaning, golden: Golden, path: str, task: Task | None) -> None:
    """Samples and steps must agree between all arrays of the golden trace and the meaning."""
    problems = []
    inputs, series, outputs = (by_port(getattr(golden, member), ("",)) for member in PORTS)
    said, n = meaning.default, next(iter(inputs.values())).shape[:1]

    def demand(good: bool, where: str, found: str) -> None:
        if not good:
            problems.append(Problem(f"{path}, {where}", found, _AGAIN))

    demand(said.encoding is not None, "meaning", "the encoding is missing")
    demand(said.readout is not None, "meaning", "the readout rule is missing")
    demand(said.steps is not None and 1 <= said.steps <= 10**6, "meaning", f"{said.steps} steps")
    steps = (said.steps,)
    for name, x in inputs.items():
        where = _field("golden.inputs", name)
        demand(x.ndim >= 2 and x.size > 0 and x.shape[:1] == n, where, f"shape {x.shape}")
        if said.encoding == "sequence":
            demand(x.shape[1:2] == steps, where, f"shape {x.shape} for {said.steps} steps")
    timed: dict[str, NDArray[Any]] = {_field("golden.series", k): v for k, v in series.items()}
    for where, values in {**timed, **{SPIKES + k: v for k, v in golden.spikes.items()}}.items():
        demand(values.shape[:2] == n + steps, where, f"shape {values.shape} for {n[0]} samples of {said.steps} steps")
    demand(set(series) == set(outputs), "golden.outputs", "other outputs than in golden.series")
    for name in set(series) & set(outputs):
        found = outputs[name].shape
        own = meaning.nodes.get(name)
        rule = (own.readout if own is not None else None) or said.readout
        lead = n + steps if rule == "each" else n
        demand(found == lead + series[name].shape[2:], _field("golden.outputs", name), f"shape {found}")
    answers, per = (n + steps, "step") if said.readout == "each" else (n, "sample")
    labels = golden.labels
    if labels is not None and task in (Task.VALUES, Task.PIXELS) and not isinstance(golden.outputs, Mapping):
        shape = golden.outputs.shape
        answers = shape if task is Task.VALUES else (*answers, *shape[len(answers) + 1 :])
    demand(labels is None or labels.shape == answers, "golden.labels", f"there must be one label per {per}")
    if problems:
        raise InputError(problems)


def _field(member: str, port: str) -> str:
    return f"{member}/{port}" if port else member


class _Reader:
    """Takes fields out of the dict one by one; collects what is missing, misshapen or left over."""

    def __init__(self, fields: dict[str, Any], path: str) -> None:
        self.fields, self.path = fields, path
        self.problems: list[Problem] = []
        for key in ("format", "version"):
            fields.pop(key, None)

    def _bad(self, key: str, found: str) -> None:
        self.problems.append(Problem(f"{self.path}, field '{key}'", found, _AGAIN))

    def _take(self, key: str, good: Callable[[Any], bool], wanted: str, optional: bool = False) -> Any:
        if key not in self.fields:
            if not optional:
                self._bad(key, "is missing")
            return None
        value = self.fields.pop(key)
        if not good(value):
            self._bad(key, f"is {type(value).__name__}, not {wanted}")
            return None
        return value

    def text(self, key: str) -> str:
        """A string of at most 64 KiB."""
        value = self._take(key, lambda v: isinstance(v, str) and len(v) <= 65536 and _is_unicode(v), "a text")
        return value if value is not None else ""

    def number(self, key: str, kind: type[int] | type[float], low: float, high: float, optional: bool = False) -> Any:
        """A number in [low, high]."""
        return self._take(key, lambda v: type(v) is kind and low <= v <= high, f"a number in [{low}, {high}]", optional)

    def parsed(self, key: str, kind: Any, optional: bool = False) -> Any:
        """JSON text of a known type."""
        text = self._take(key, lambda v: isinstance(v, str) and len(v) <= 2**24, "a text", optional)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text.encode(), type=kind, strict=False)
        except (msgspec.DecodeError, UnicodeError) as error:
            self._bad(key, str(error))
            return None

    def task(self) -> Task | None:
        """The task, None in files without one."""
        value = self._take("task", lambda v: v in [t.value for t in Task], "a task", optional=True)
        return None if value is None else Task(value)

    def array(self, key: str, dtype: Any, ndim: int | None = None, optional: bool = False) -> Any:
        """A plain contiguous tensor of the dtype, as a numpy array."""
        value = self._take(key, _is_plain_tensor, "a plain tensor", optional)
        if value is None:
            return None if optional else np.zeros(0, dtype)
        wanted = np.dtype(dtype).name
        if str(value.dtype) != f"torch.{wanted}":
            self._bad(key, f"is {str(value.dtype).removeprefix('torch.')} of shape {tuple(value.shape)}, not {wanted}")
            return np.zeros(0, dtype)
        result: NDArray[Any] = value.numpy()
        if result.ndim != ndim if ndim is not None else result.ndim == 0:
            self._bad(key, f"is {wanted} of shape {result.shape}, not of {ndim or 'several'} axes")
            return np.zeros(0, dtype)
        if result.dtype.kind == "f" and not np.isfinite(result).all():
            self._bad(key, "holds NaN or infinity")
        return result

    def ports(self, key: str) -> Ports:
        """Float32 of the only port, or of each of several."""
        names = sorted(k for k in self.fields if isinstance(k, str) and k.startswith(f"{key}/"))
        if not names or key in self.fields:
            only: Ports = self.array(key, np.float32)
            return only
        return {k.removeprefix(f"{key}/"): self.array(k, np.float32) for k in names}

    def spikes(self, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Packed spikes of one layer, or its messages of several."""
        if MESSAGES + name in self.fields:
            sent: NDArray[np.uint8] = self.array(MESSAGES + name, np.uint8)
            if sent.shape != tuple(shape):
                self._bad(MESSAGES + name, f"has shape {sent.shape}, not {tuple(shape)}")
            return sent
        packed: NDArray[np.uint8] = self.array(SPIKES + name, np.uint8, 1)
        count = math.prod(shape) if len(shape) >= 2 and all(n > 0 for n in shape) else -1
        if count < 0 or (count + 7) // 8 != packed.size or packed.dtype != np.uint8:
            self._bad(SPIKES + name, f"{packed.size} bytes do not hold spikes of shape {shape}")
            return np.zeros(0, np.uint8)
        return np.unpackbits(packed, count=count).reshape(shape)

    def nothing_left(self) -> None:
        """Unknown fields are refused: they would be dropped in silence."""
        for key in sorted(map(str, self.fields)):
            self._bad(key, "is not a field of this version")

    def raise_all(self) -> None:
        """Raise InputError when anything was wrong."""
        if self.problems:
            raise InputError(self.problems)


def _is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8: half a surrogate pair cannot."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _is_plain_tensor(value: Any) -> bool:
    import torch

    return (
        type(value) is torch.Tensor
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.is_contiguous()
        and not (value.is_quantized or value.requires_grad or value.is_neg() or value.is_conj())
    )


__all__ = ["FORMAT", "READ", "VERSION", "digest", "from_fields", "to_fields"]
