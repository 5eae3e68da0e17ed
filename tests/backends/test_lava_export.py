"""Exported folders: they run in Lava with nothing of Seamount in sight, alone and within a program of the user's."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seamount.backends.lava.export import EXPORTED, export_lava
from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.artifact import Artifact, Vectors, load_artifact
from seamount.compiler.codes import InputCode, OutputCode, messages, predictions, scores
from seamount.compiler.driver import with_vectors
from seamount.compiler.errors import InputError
from seamount.compiler.manifest import About, Manifest
from tests.backends.lava_support import ALL, Case, draw, lava_python
from tests.backends.test_lava_constructs import CONNECTIONS, loops, with_messages
from tests.cli.running import call
from tests.program_samples import small_program
from tests.program_strategies import cases

ROOT = Path(__file__).parents[2]
FILES = ["README.md", "arrays.npz", "encoding.json", "network.py", "program.json", "requirements.txt", "vectors.npz"]


def in_lava(arguments: list[object], folder: Path) -> subprocess.CompletedProcess[str]:
    """Lava's Python, with an empty environment."""
    command = [str(lava_python()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={}, cwd=folder)


def artifact_of(case: Case) -> Artifact:
    """A program with test vectors, and codes that send integers as they are."""
    program, sent = case
    inputs = tuple(
        InputCode(p.name, p.shape, "graded", 1.0, p.low, p.high if p.graded else 1, "sequence") for p in program.inputs
    )
    outputs = tuple(OutputCode(r.name, 0.5, r.rule) for r in program.readouts)
    bare = Artifact(program, inputs, outputs, Manifest(model=About(name="made")), Vectors({}, {}, {}))
    return with_vectors(bare, ReferenceSimulator(), sent)


@pytest.fixture(scope="module", params=["digits-conv", "digits-recurrent"])
def shipped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A shipped network: its artifact, and the exported folder."""
    place = tmp_path_factory.mktemp("export")
    model = ROOT / "models" / "weights" / f"{request.param}.pt"
    assert call(["compile", str(model), "-o", str(place / "artifact"), "-q"]).code == 0
    ran = call(["export-lava", str(place / "artifact"), str(place / "folder")])
    assert ran.code == 0, ran.err
    return place / "artifact", place / "folder"


@pytest.mark.lava
def test_a_shipped_network_alone(shipped: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shipped[1]
    assert sorted(p.name for p in folder.iterdir()) == FILES
    done = in_lava([folder / "network.py"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("all as stored")


@pytest.mark.lava
def test_the_example_of_the_readme_runs(shipped: tuple[Path, Path]) -> None:
    """As printed, from beside the folder; x are values in the range of the input."""
    artifact, folder = load_artifact(shipped[0]), shipped[1]
    (block,) = re.findall(r"(?s)```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"))
    code = artifact.inputs[0]
    lead = (3,) if code.encoding == "constant" else (3, artifact.steps)
    x = np.random.default_rng(0).uniform(code.low, code.high, (*lead, *code.shape))
    x = np.round(x) if code.coding == "spikes" else x
    np.save(folder.parent / "x.npy", x)
    done = in_lava(["-c", f"import numpy\nx = numpy.load('x.npy')\n{block}"], folder.parent)
    assert done.returncode == 0, done.stderr
    trace = ReferenceSimulator().run(artifact.program, {code.port: messages(code, x, artifact.steps)})
    assert done.stdout.split("[")[-1].strip(" ]\n").split() == [
        str(p) for p in predictions(trace.readout[artifact.outputs[0].readout], artifact.outputs[0].rule)
    ]


@pytest.mark.lava
def test_programs_of_every_kind(tmp_path: Path) -> None:
    """One of everything, loops, delays, several inputs, parts that are not connected, and random ones."""
    made = [
        with_messages(small_program()),
        with_messages(loops()["sparse loop, delayed"]),
        with_messages(CONNECTIONS["a part without input"]()),
        *draw(cases(force=frozenset({"recurrent", "inputs", "delay"})), 1),
    ]
    for i, case in enumerate(made):
        export_lava(artifact_of(case), tmp_path / str(i))
        done = in_lava([tmp_path / str(i) / "network.py"], tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.lava
@pytest.mark.parametrize("file", ["vectors.npz", "arrays.npz"])
def test_a_difference_is_found(file: str, tmp_path: Path) -> None:
    """One stored spike flipped, or one weight changed."""
    export_lava(artifact_of(with_messages(small_program(), density=0.9)), tmp_path / "f")
    with np.load(tmp_path / "f" / file) as stored:
        arrays = dict(stored)
    if file == "vectors.npz":
        arrays["spikes:loop"].flat[0] ^= 1
    else:
        weights = json.loads((tmp_path / "f" / "program.json").read_text())["program"]["projections"][0]["connection"]
        arrays[weights["weight"]["array"]].flat[4] += 64
    np.savez(tmp_path / "f" / file, **arrays)
    done = in_lava([tmp_path / "f" / "network.py"], tmp_path)
    assert done.returncode == 1, done.stderr
    assert "FAILED" in done.stdout
    if file == "vectors.npz":
        assert re.search(r"spikes +loop +1 of \d+ entries differ", done.stdout)


EMBEDDED = """
import sys
import numpy as np
sys.path.insert(0, {folder!r})
from network import load, run_to_end
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

LATE, STEPS = 3, 5
x = np.load({messages!r})

class Sensor(AbstractProcess):
    '''Sends one frame per step, and begins late.'''
    def __init__(self, frames):
        super().__init__(frames=frames)
        self.out = OutPort(shape=frames.shape[1:])

@implements(proc=Sensor, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySensor(PyLoihiProcessModel):
    out = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    def run_spk(self):
        frames, t = self.proc_params["frames"], self.time_step - 1 - LATE
        self.out.send(frames[t] if 0 <= t < len(frames) else np.zeros_like(frames[0]))

class Counter(AbstractProcess):
    '''Counts spikes per neuron.'''
    def __init__(self, shape):
        super().__init__()
        self.heard = InPort(shape=shape)
        self.total = Var(shape=shape, init=0)

@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyCounter(PyLoihiProcessModel):
    heard = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    total = LavaPyType(np.ndarray, np.int32)
    def run_spk(self):
        spikes = self.heard.recv()
        if begin <= self.time_step - 1 < begin + len(x) * STEPS:
            self.total = self.total + spikes

net = load({folder!r}, steps=STEPS, start=LATE)
begin = LATE + net.offsets["loop"]
sensor = Sensor(x.reshape(-1, *x.shape[2:]))
counter = Counter(net.populations["loop"].s_out.shape)
sensor.out.connect(net.inputs["x"])
net.populations["loop"].s_out.connect(counter.heard)
from lava.proc.io.sink import RingBuffer
length = net.run_length(len(x))
sink = RingBuffer(shape=net.outputs["y"].shape, buffer=length)
net.outputs["y"].connect(sink.a_in)
models = {{sensor: PySensor, counter: PyCounter}}
run_to_end(net.root, length, net.run_config(models))
np.savez({out!r}, total=counter.total.get(), y=net.answer("y", sink.data.get()), decoded=net.decode("y", np.arange(4)))
net.root.stop()
"""


@pytest.mark.lava
def test_within_a_program_of_the_users(tmp_path: Path) -> None:
    """Own source, which begins late, and own sink on the network's ports; another T than the default."""
    program, sent = with_messages(small_program(), samples=3, density=0.9, steps=5)
    artifact = artifact_of((program, sent))
    export_lava(artifact, tmp_path / "net")
    np.save(tmp_path / "x.npy", sent["x"])
    places = {"folder": str(tmp_path / "net"), "messages": str(tmp_path / "x.npy"), "out": str(tmp_path / "out.npz")}
    (tmp_path / "user.py").write_text(EMBEDDED.format(**places))
    done = in_lava([tmp_path / "user.py"], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    trace = ReferenceSimulator().run(program, sent, ALL)
    found = np.load(tmp_path / "out.npz")
    assert np.array_equal(found["total"], trace.spikes["loop"].sum(axis=(0, 1)))
    assert found["total"].sum() > 0
    assert np.array_equal(found["y"], trace.readout["y"])
    assert np.array_equal(found["decoded"], scores(artifact.outputs[0], np.arange(4), 5))


@pytest.mark.lava
def test_a_process_that_dies_ends_the_program(tmp_path: Path) -> None:
    """Lava alone would wait for ever."""
    export_lava(artifact_of(with_messages(small_program())), tmp_path / "f")
    script = (
        "import runpy\nfrom lava.proc.lif.models import PyLifResetModelBitAcc as Model\n"
        "def fail(self): raise ValueError('planted')\n"
        "Model.spiking_activation = fail\n"
        "runpy.run_path('f/network.py', run_name='__main__')"
    )
    done = in_lava(["-c", script], tmp_path)
    assert done.returncode == 3
    assert "Lava: a process died" in done.stderr and "planted" in done.stderr


@pytest.mark.lava
def test_an_input_that_nobody_connected(tmp_path: Path) -> None:
    export_lava(artifact_of(with_messages(small_program())), tmp_path / "f")
    script = "import sys; sys.path.insert(0, 'f'); from network import load; load('f').run_config()"
    done = in_lava(["-c", script], tmp_path)
    assert done.stderr.splitlines()[-1] == "ValueError: nothing is connected to input x"


def test_the_script_stands_alone() -> None:
    """numpy, lava, and scipy that lava needs; the same file that the backend runs; short."""
    text = (EXPORTED / "network.py").read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 10))
    modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    modules |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {m.split(".")[0] for m in modules} - set(sys.stdlib_module_names) == {"numpy", "lava", "scipy"}
    assert len(text.splitlines()) < 400


def test_the_readme_names_ports_and_needs(tmp_path: Path) -> None:
    export_lava(artifact_of(with_messages(small_program())), tmp_path / "f")
    text = (tmp_path / "f" / "README.md").read_text(encoding="utf-8")
    assert '| `net.inputs["x"]` | 1 x 4 x 4 | 0 | integers 0 to 255 |' in text
    assert '| `net.outputs["y"]` | 2 | 3 | membranes v of `out`; sum over the steps |' in text
    assert "- population 'loop': microcode: reset by subtraction" in text
    assert "$" not in text


def test_same_artifact_same_bytes(tmp_path: Path) -> None:
    made = artifact_of(with_messages(small_program()))
    for name in ("a/n", "b/n"):
        export_lava(made, tmp_path / name)
    for file in FILES:
        assert (tmp_path / "a/n" / file).read_bytes() == (tmp_path / "b/n" / file).read_bytes()


def test_places_that_are_taken(tmp_path: Path) -> None:
    made = artifact_of(with_messages(small_program()))
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "network.py").write_text("mine")
    with pytest.raises(InputError, match="theirs: exists and is not an exported network"):
        export_lava(made, tmp_path / "theirs", overwrite=True)
    assert (tmp_path / "theirs" / "network.py").read_text() == "mine"
    export_lava(made, tmp_path / "ours")
    with pytest.raises(InputError, match=r"ours: exists\n.*or give --force"):
        export_lava(made, tmp_path / "ours")
    (tmp_path / "ours" / "network.py").write_text("changed")
    export_lava(made, tmp_path / "ours", overwrite=True)
    assert (tmp_path / "ours" / "network.py").read_bytes() == (EXPORTED / "network.py").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ours", "theirs"]


def test_an_artifact_without_test_vectors(tmp_path: Path) -> None:
    made = replace(artifact_of(with_messages(small_program())), vectors=Vectors({}, {}, {}))
    with pytest.raises(InputError, match="holds no test vectors"):
        export_lava(made, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []
