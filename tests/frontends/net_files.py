"""Networks as lava-dl writes them (.net), ten of varied structure, and what they mean, step by step and by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Layer = dict[str, Any]
CUBA = {"type": "CUBA", "iDecay": 4096, "vDecay": 256, "vThMant": 20, "refDelay": 1, "gradedSpike": False}


def write_net(path: Path, layers: list[Layer], steps: int | None = 12) -> Path:
    """One group per layer: words as arrays of one bytes string, as export_hdf5 writes them."""
    with h5py.File(path, "w") as file:
        if steps is not None:
            file["simulation/Ts"], file["simulation/tSample"] = 1, steps
        for i, layer in enumerate(layers):
            _write(file.create_group(f"layer/{i}"), layer)
    return path


def _write(group: h5py.Group, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            _write(group.create_group(name), value)
        elif name == "type" and group.name.endswith("neuron"):
            group.create_dataset(name, data=value)
        elif isinstance(value, str):
            group.create_dataset(name, (1,), "S10", [value.encode("ascii")])
        else:
            group.create_dataset(name, data=value)


def neuron(**changes: Any) -> Layer:
    return {**CUBA, **changes}


def even(seed: int, *shape: int, low: int = -60, high: int = 60) -> np.ndarray:
    return (2 * np.random.default_rng(seed).integers(low // 2, high // 2, shape)).astype(np.float32)


def dense(seed: int, inputs: int, outputs: int, **changes: Any) -> Layer:
    weight = changes.pop("weight", even(seed, outputs, inputs))
    known = {"type": "dense", "shape": [outputs], "inFeatures": inputs, "outFeatures": outputs, "weight": weight}
    return {**known, "neuron": neuron(), **changes}


def conv(seed: int, source: int, shape: tuple[int, int, int], kernel: tuple[int, int], **changes: Any) -> Layer:
    groups = changes.get("groups", 1)
    weight = changes.pop("weight", even(seed, shape[0], source // groups, *kernel, 1))
    known = {
        "type": "conv", "shape": list(shape), "inChannels": source, "outChannels": shape[0], "kernelSize": list(kernel),
        "stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, "weight": weight,
    }  # fmt: skip
    return {**known, "neuron": neuron(vThMant=60), **changes}


def spikes(*shape: int) -> Layer:
    """An input block without neurons."""
    return {"type": "input", "shape": list(shape)}


def image(*shape: int, weight: float = 36, bias: float = 34) -> Layer:
    """An input block with neurons, which a picture drives."""
    return {"type": "input", "shape": list(shape), "weight": [weight], "bias": [bias], "neuron": neuron(vThMant=25)}


def pool(shape: tuple[int, int, int], size: int, weight: int = 64) -> Layer:
    return {
        "type": "pool", "shape": list(shape), "kernelSize": [size, size], "stride": [size, size], "padding": [0, 0],
        "dilation": [1, 1], "weight": np.full((1, 1, size, size), weight, np.float32), "neuron": neuron(vThMant=50),
    }  # fmt: skip


def without_neurons(layer: Layer) -> Layer:
    return {name: value for name, value in layer.items() if name != "neuron"}


FLATTEN = {"type": "flatten", "shape": [1, 1, 1]}


def odd(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, shape)


NETWORKS: dict[str, Callable[[], list[Layer]]] = {
    "two dense layers": lambda: [spikes(12), dense(0, 12, 9), dense(1, 9, 4)],
    "picture, convolution, pool, dense": lambda: [
        image(2, 9, 9), conv(2, 2, (4, 8, 8), (2, 2), bias=even(3, 4)), pool((4, 4, 4), 2), FLATTEN, dense(4, 64, 5),
    ],
    "recurrent": lambda: [
        spikes(10), {**dense(5, 10, 8), "type": "dense_rec", "weight_rec": even(6, 8, 8)}, dense(7, 8, 3),
    ],
    "delays of outputs": lambda: [
        spikes(8), dense(8, 8, 6, delay=[0, 3, 1, 0, 5, 3]), dense(9, 6, 4, delay=[2.0, 2.0, 2.0, 2.0]),
    ],
    "delays of inputs, of a recurrent layer, of channels": lambda: [
        spikes(2, 5, 5), conv(10, 2, (3, 4, 4), (2, 2), delay=[1, 0, 4]), FLATTEN,
        {**dense(11, 48, 7), "type": "dense_rec", "weight_rec": even(12, 7, 7), "delay": [0, 1, 2, 0, 1, 2, 0],
         "delay_rec": np.arange(49).reshape(7, 7) % 3},
        dense(13, 7, 5, delay=[1, 0, 0, 2, 0, 0, 1]),
    ],
    "odd weights, groups, stride, padding, dilation": lambda: [
        spikes(4, 9, 7),
        conv(14, 4, (6, 4, 7), (3, 2), groups=2, stride=[2, 1], padding=[1, 1], dilation=[2, 2],
             weight=odd(15, 6, 2, 3, 2, 1), bias=[0.0, 10.0, -3.0, 7.0, 0.0, 1.0]),
    ],
    "average of groups": lambda: [
        spikes(10), dense(16, 10, 12), {"type": "average", "shape": [4, 1, 1]},
    ],
    "readout without neurons": lambda: [
        dense(17, 10, 8), without_neurons(dense(18, 8, 3)),
    ],
    "exponents, one sign, synaptic memory": lambda: [
        spikes(9),
        dense(
            19, 9, 8, weight=abs(odd(20, 8, 9)) * 2 + 1,
            neuron=neuron(wgtExp=-2, iDecay=np.arange(1, 9) * 500, vThMant=90),
        ),
        dense(
            21, 8, 7, weight=-abs(odd(22, 7, 8)), bias=[5000] * 7,
            neuron=neuron(wgtExp=1, vDecay=4096, vThMant=3000),
        ),
    ],
    "large weights, biases per neuron, a threshold never reached": lambda: [
        spikes(1, 6, 6),
        conv(23, 1, (2, 4, 4), (3, 3), weight=even(24, 2, 1, 3, 3) * 8, bias=even(25, 32), neuron=neuron(vThMant=250)),
        FLATTEN, dense(26, 32, 4, neuron=neuron(vThMant=1 << 17, iDecay=2000)),
    ],
}  # fmt: skip


def meant(layers: list[Layer], x: np.ndarray) -> list[dict[str, np.ndarray]]:
    """u, v and spikes of every layer of neurons, (T, *shape), for messages x (T, *shape) from the host.

    Layer by layer, neuron registers in Python's integers; time as training has it: what a layer sends in a step
    reaches the next one in that step, a recurrent layer itself in the next.
    """
    found = []
    for layer in layers:
        kind = layer["type"]
        if kind == "flatten":
            x = x.reshape(len(x), -1)
        elif kind == "average":
            groups = int(np.prod(layer["shape"]))
            found.append({"v": 64 * x.reshape(len(x), groups, -1).sum(-1)})
        elif kind == "input":
            if "neuron" in layer:
                nothing = np.zeros_like(x)
                found.append(_neurons(layer, nothing, lambda t, s: 0, driven=x))
                x = found[-1]["s"]
                del found[-1]["u"]
        else:
            arriving, again = _sums(layer, x)
            found.append(_neurons(layer, arriving, again))
            x = found[-1]["s"]
    return found


def _sums(layer: Layer, x: np.ndarray) -> tuple[np.ndarray, Callable[..., Any]]:
    """Sums of each step, delays included, and those of a recurrent layer's own spikes."""
    import torch

    steps, exponent = len(x), layer.get("neuron", {}).get("wgtExp", 0)
    weight = np.asarray(layer["weight"], np.int64)
    delay = np.asarray(layer.get("delay", [0])).astype(int).ravel()

    def product(y: np.ndarray) -> np.ndarray:
        if layer["type"].startswith("dense"):
            return y.reshape(len(y), -1) @ weight.T
        channels = y.shape[1] if layer["type"] == "pool" else layer["groups"]
        kernel = weight.reshape(weight.shape[:4])
        kernel = np.repeat(kernel, channels, 0) if layer["type"] == "pool" else kernel
        geometry = [tuple(layer[k]) for k in ("stride", "padding", "dilation")]
        tensor = (torch.from_numpy(np.asarray(a, np.float64)) for a in (y, kernel))
        return np.rint(torch.nn.functional.conv2d(*tensor, None, *geometry, channels).numpy()).astype(np.int64)

    def late(y: np.ndarray, d: int) -> np.ndarray:
        return np.concatenate([np.zeros_like(y[:d]), y[: steps - d]]) if d else y

    total = product(x) * 0
    inputs = x.reshape(steps, -1)
    for d in np.unique(delay):
        if delay.size == 1 or delay.size == total.shape[1]:
            part = late(product(x), d)
            part[:, (delay != d) if delay.size > 1 else np.zeros(total.shape[1], bool)] = 0
        else:
            part = late(product(np.where(delay == d, inputs, 0).reshape(x.shape)), d)
        total += _shifted(part, exponent)
    again = np.asarray(layer.get("weight_rec", np.zeros((1, 1))), np.int64)

    def recurrent(t: int, s: np.ndarray) -> Any:
        if layer["type"] != "dense_rec":
            return 0
        late = np.broadcast_to(layer.get("delay_rec", 0), again.shape)
        own = np.zeros(len(again), np.int64)
        for i, j in np.ndindex(*again.shape):
            if t - 1 - late[i, j] >= 0:
                own[i] += again[i, j] * s[t - 1 - late[i, j]][j]
        return _shifted(own, exponent)

    return total, recurrent


def _shifted(x: np.ndarray, exponent: int) -> np.ndarray:
    return x << exponent if exponent >= 0 else x >> -exponent


def _neurons(
    layer: Layer, arriving: np.ndarray, again: Callable[..., Any], driven: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """CUBA-LIF registers by the formulas of Loihi: decays toward zero, threshold strict, reset to 0."""
    state = layer.get("neuron", neuron(iDecay=4096, vDecay=0, vThMant=1 << 17))
    shape = arriving.shape[1:]
    bias = np.asarray(layer.get("bias", [0]), np.int64) if driven is None else np.zeros(1, np.int64)
    if bias.size == np.prod(shape):
        bias = bias.reshape(shape)
    elif bias.size > 1:
        bias = bias.reshape(-1, *[1] * (len(shape) - 1))
    u, v = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    out: dict[str, np.ndarray] = {k: np.zeros(arriving.shape, np.int64) for k in "uvs"}
    for t in range(len(arriving)):
        drive = 64 * (bias if driven is None else driven[t])
        u = _decayed(u, 4096 - state["iDecay"]) + 64 * (arriving[t] + again(t, out["s"]))
        v = _decayed(v, 4096 - state["vDecay"]) + u + drive
        s = v > 64 * state["vThMant"]
        v = np.where(s, 0, v)
        out["u"][t], out["v"][t], out["s"][t] = u, v, s
    return out


def _decayed(x: np.ndarray, keeps: int) -> np.ndarray:
    return np.sign(x) * (abs(x) * keeps // 4096)
