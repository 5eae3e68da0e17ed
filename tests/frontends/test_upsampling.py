"""Transposed convolutions and copies of pixels: as every framework computes them, to the spike, as layers and as
functions, and refused for their true cause where they are something else."""

# ruff: noqa: E402

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import nir
import torch.nn.functional as F
from torch import nn

from seamount.compiler.errors import ImportRefused, InputError
from seamount.frontends import load_model, save
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.transposed import ConvTranspose2d, transposed_node
from tests.frontends.program import assert_program
from tests.frontends.round_trip import lively, round_trip, spikes

FRAMEWORKS = ("norse", "snntorch", "spikingjelly", "sinabs")


def lif(framework: str) -> nn.Module:
    """A neuron layer that is driven one step at a time."""
    pytest.importorskip(framework, reason=f"{framework} is not installed")
    if framework == "norse":
        import norse.torch as norse

        return norse.LIFBoxCell(norse.LIFBoxParameters(v_th=torch.as_tensor(0.2)))
    if framework == "snntorch":
        import snntorch

        return snntorch.Leaky(0.8, threshold=0.7, init_hidden=True)
    from spikingjelly.activation_based import neuron

    return neuron.LIFNode(v_threshold=0.6)


def network(framework: str, *layers: nn.Module) -> nn.Module:
    """Layers of torch in the container that the framework has for them."""
    if framework == "norse":
        import norse.torch as norse

        return norse.SequentialState(*layers)
    return nn.Sequential(*layers)


def norm(channels: int) -> nn.Module:
    made = nn.BatchNorm2d(channels)
    made.running_mean.uniform_(-0.1, 0.1)
    made.running_var.uniform_(0.5, 1.5)
    return made


LAYERS = {
    "ConvTranspose2d": lambda: [nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1)],
    "ConvTranspose2d, all options": lambda: [
        nn.ConvTranspose2d(4, 6, (3, 2), (3, 2), (1, 0), (2, 1), groups=2, dilation=(2, 1), bias=False)
    ],
    "with a batch norm": lambda: [nn.ConvTranspose2d(3, 4, 3, stride=2), norm(4)],
    "Upsample": lambda: [nn.Upsample(scale_factor=2), nn.Conv2d(3, 4, 3, padding=1)],
    "UpsamplingNearest2d": lambda: [nn.UpsamplingNearest2d(size=(15, 10)), nn.Conv2d(3, 4, 3, padding=1)],
    "Upsample behind a layer": lambda: [nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=(1, 3), mode="nearest-exact")],
    "Upsample alone": lambda: [nn.Upsample(scale_factor=2)],
    "PixelShuffle": lambda: [nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2)],
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("framework", [f for f in FRAMEWORKS if f != "sinabs"])
def test_as_the_framework(framework, name, tmp_path):
    torch.manual_seed(0)
    channels = 4 if "options" in name else 3
    layers = LAYERS[name]()
    model = network(framework, nn.Conv2d(2, channels, 3, padding=1), lif(framework), *layers, lif(framework))
    lively(model, 4.0)
    round_trip(model, tmp_path, sample=spikes(3, 9, 2, 5, 5), low=0.005)


@pytest.mark.parametrize("framework", [f for f in FRAMEWORKS if f != "sinabs"])
def test_one_axis(framework, tmp_path):
    torch.manual_seed(0)
    up = [nn.ConvTranspose1d(3, 4, 5, 3, 1, 2), lif(framework), nn.Upsample(scale_factor=2), nn.Conv1d(4, 2, 3)]
    model = lively(network(framework, nn.Conv1d(2, 3, 3), lif(framework), *up, lif(framework)), 3.0)
    round_trip(model, tmp_path, sample=spikes(3, 9, 2, 8), low=0.005)


def test_sinabs(tmp_path):
    layers = pytest.importorskip("sinabs.layers", reason="sinabs is not installed")
    import sinabs.activation as activation

    def iaf() -> nn.Module:
        return layers.IAFSqueeze(batch_size=3, spike_fn=activation.SingleSpike)

    up = [nn.ConvTranspose2d(4, 3, 2, 2), iaf(), nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3, padding=1)]
    model = lively(nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), iaf(), *up, iaf()), 1.5)
    round_trip(model, tmp_path, sample=spikes(3, 9, 2, 5, 5), low=0.005)


@pytest.mark.parametrize("mode", ["s", "m"])
def test_layers_of_spikingjelly(mode, tmp_path):
    pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
    from spikingjelly.activation_based import layer, neuron

    torch.manual_seed(0)
    model = nn.Sequential(
        layer.ConvTranspose2d(2, 4, 3, stride=2, output_padding=1, step_mode=mode), neuron.LIFNode(step_mode=mode),
        layer.Upsample(scale_factor=2, step_mode=mode), layer.Conv2d(4, 3, 3, step_mode=mode),
        neuron.IFNode(step_mode=mode), layer.Flatten(2, step_mode=mode),
        layer.ConvTranspose1d(3, 2, 4, stride=2, step_mode=mode), neuron.IFNode(step_mode=mode),
    )  # fmt: skip
    round_trip(lively(model, 3.0), tmp_path, sample=spikes(3, 9, 2, 4, 4), low=0.005)


class Called(nn.Module):
    """Functions in forward, between neurons."""

    def __init__(self, function):
        super().__init__()
        pytest.importorskip("spikingjelly", reason="spikingjelly is not installed")
        self.conv, self.one, self.two = nn.Conv2d(2, 4, 3, padding=1), lif("spikingjelly"), lif("spikingjelly")
        self.part, self.out = nn.ConvTranspose2d(4, 3, 4, 2, groups=1), nn.ConvTranspose1d(4, 3, 3, 2)
        self.function = function

    def forward(self, x):
        return self.two(self.function(self, self.one(self.conv(x))))


FUNCTIONS = {
    "F.conv_transpose2d": lambda n, z: F.conv_transpose2d(z, n.part.weight, n.part.bias, 2, 1, 1),
    "F.conv_transpose2d, named": lambda n, z: F.conv_transpose2d(
        z, weight=n.part.weight, stride=(2, 3), padding=(0, 1), dilation=2
    ),
    "F.conv_transpose1d": lambda n, z: F.conv_transpose1d(z.flatten(2), n.out.weight, n.out.bias, stride=2),
    "torch.conv_transpose2d": lambda n, z: torch.conv_transpose2d(z, n.part.weight, n.part.bias, [2, 2]),
    "F.interpolate": lambda n, z: F.interpolate(z, scale_factor=2, mode="nearest"),
    "F.interpolate to a size": lambda n, z: F.interpolate(z, size=z.shape[-1] * 3),
    "F.interpolate as the skip": lambda n, z: F.interpolate(F.avg_pool2d(z, 2), size=z.shape[2:]) + z,
    "F.interpolate, one axis": lambda n, z: F.interpolate(z, (6, 12)),
    "F.upsample": lambda n, z: F.upsample(z, scale_factor=2),
    "F.pixel_shuffle": lambda n, z: F.pixel_shuffle(z, 2),
    "a size chosen by the call": lambda n, z: n.part(z, output_size=(15, 15)),
    "concatenated": lambda n, z: torch.cat([n.part(F.avg_pool2d(z, 2)), F.interpolate(F.avg_pool2d(z, 3), 8)], 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, tmp_path):
    torch.manual_seed(0)
    model = lively(Called(FUNCTIONS[name]), 3.0)
    round_trip(model, tmp_path, sample=spikes(3, 9, 2, 6, 6), low=0.005)


REFUSED = {
    "bilinear": (
        lambda n, z: F.interpolate(z, scale_factor=2, mode="bilinear"),
        "interpolates between pixels (mode='bilinear')", 'use mode="nearest", or a ConvTranspose2d with fixed weights',
    ),
    "nn.Upsample, bicubic": (
        lambda n, z: nn.Upsample(scale_factor=2, mode="bicubic")(z), "(mode='bicubic')", 'use mode="nearest"',
    ),
    "nn.UpsamplingBilinear2d": (
        lambda n, z: nn.UpsamplingBilinear2d(scale_factor=2)(z), "(mode='bilinear')", 'use mode="nearest"',
    ),
    "a factor that is not whole": (
        lambda n, z: F.interpolate(z, scale_factor=1.5), "makes (9, 9) of (6, 6)", "use a whole factor",
    ),
    "smaller": (
        lambda n, z: F.interpolate(z, size=3), "makes (3, 3) of (6, 6)", "a pool or a strided convolution",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    function, found, remedy = REFUSED[name]
    with pytest.raises(ImportRefused) as caught:
        save(lively(Called(function), 3.0), tmp_path / "m.pt", sample=spikes(3, 5, 2, 6, 6), readout="sum")
    assert found in str(caught.value) and remedy in str(caught.value)
    assert not (tmp_path / "m.pt").exists()


def test_bilinear_as_the_remedy_says():
    """Fixed weights are bilinear inside the image; at its borders PyTorch repeats pixels."""
    x = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    taps = torch.tensor([0.25, 0.75, 0.75, 0.25], dtype=torch.float64)
    fixed = F.conv_transpose2d(x, (taps[:, None] * taps)[None, None], stride=2, padding=1)
    wanted = F.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(fixed[..., 1:-1, 1:-1], wanted[..., 1:-1, 1:-1])


def test_compiled(tmp_path):
    """The integer program keeps the kernels, and the engines and the quantized graph agree with each other."""
    torch.manual_seed(0)
    parts = [nn.Conv2d(2, 4, 3, stride=2), lif("spikingjelly"), nn.ConvTranspose2d(4, 3, 3, 2, 1, 1)]
    parts += [lif("spikingjelly"), nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3, padding=1), lif("spikingjelly")]
    file = round_trip(lively(nn.Sequential(*parts), 3.0), tmp_path, sample=spikes(3, 9, 2, 7, 7), low=0.005)
    program = assert_program(file)
    kernels = [q.connection for q in program.projections]
    assert [c.input_dilation for c in kernels] == [(1, 1), (2, 2), (2, 2)]
    assert [c.weight.shape for c in kernels] == [(4, 2, 3, 3), (3, 4, 3, 3), (2, 3, 4, 4)]


# The file.


def graph(node: nir.NIRNode) -> nir.NIRGraph:
    shape = np.array([2, 3, 3])
    nodes = {"input": nir.Input({"input": shape}), "up": node, "output": nir.Output({"output": np.array([3, 7, 7])})}
    nodes["n"] = nir.Threshold(np.full((3, 7, 7), 0.5))
    edges = [("input", "up"), ("up", "n"), ("n", "output")]
    return nir.NIRGraph(nodes, edges, type_check=False)


def node(**changed):
    made = transposed_node(np.ones((2, 3, 3, 3)), None, (2, 3, 3), stride=(2, 2))
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def test_a_nir_file(tmp_path):
    nir.write(tmp_path / "net.nir", graph(node()))
    read = read_nir(tmp_path / "net.nir")
    assert isinstance(read.graph.nodes["up"], ConvTranspose2d)
    assert read.graph.nodes["up"].stride == (2, 2) and read.graph.nodes["up"].input_shape == (3, 3)
    with pytest.raises(AssertionError):  # NIR's own reader knows no such type, and says it so
        nir.read(tmp_path / "net.nir")


FAULTS = {
    "a weight without its axes": ({"weight": np.ones((2, 3, 3))}, "4 axes are needed: (in, out / groups, *kernel)"),
    "groups": ({"groups": 3}, "'groups' is (3,) for 2 input channels"),
    "bias": ({"bias": np.ones(2)}, "'bias' has shape (2,)"),
    "output padding": ({"output_padding": (2, 0)}, "keep it below the stride or the dilation, (2, 2)"),
    "stride": ({"stride": (0, 1)}, "'stride' is (0, 1)"),
    "padding in words": ({"padding": "same"}, "'padding'"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_field(name, tmp_path):
    changed, found = FAULTS[name]
    nir.write(tmp_path / "net.nir", graph(node(**changed)))
    with pytest.raises(InputError) as caught:
        read_nir(tmp_path / "net.nir")
    assert found in str(caught.value)


def test_the_model_file_says_what_it_holds(tmp_path):
    model = lively(nn.Sequential(nn.ConvTranspose2d(2, 4, 3, 2), lif("spikingjelly")), 3.0)
    save(model, tmp_path / "m.pt", sample=spikes(3, 5, 2, 4, 4), readout="sum")
    file = load_model(tmp_path / "m.pt")
    assert file.graph()["0"].op.input_dilation == (2, 2)
