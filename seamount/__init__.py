"""Seamount compiles trained spiking neural networks to Intel Loihi's integers, exactly, or says why not.

    import seamount as sm

    artifact = sm.compile(net, sample=x_train[:8], steps=20, readout="sum")   # a live module, a .pt or a .nir file
    run = artifact.run(x_test, y_test, record=["spikes"])
    run.accuracy, run.predictions, run.spikes["lif1"]
    print(sm.check("model.pt", (x_test, y_test)))       # float against integers, layer by layer
    print(sm.fit(artifact), sm.price(run))
    sm.report(run).save("net.html")

Names load when they are used: importing this package imports neither torch nor a training framework. Results show
themselves: `print(result)`, the last line of a notebook cell, `.to_dict()`, `.to_frame()`, `.plot()`. Nothing prints.
What a user can cause raises a SeamountError, whose `.problems` say where, what, which limit, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamount.compiler.version import __version__

if TYPE_CHECKING:
    from seamount.backends.registry import load_target
    from seamount.compiler.errors import (
        CheckFailed,
        CompileError,
        ContractError,
        ImportRefused,
        InputError,
        Problem,
        SeamountError,
    )
    from seamount.compiler.placement.plan import DoesNotFit
    from seamount.frontends.model_file.save import save
    from seamount.workflows.artifact import Artifact, load_artifact
    from seamount.workflows.blame.blame import blame
    from seamount.workflows.blame.found import Blame
    from seamount.workflows.compile import compile
    from seamount.workflows.data import DataSource
    from seamount.workflows.evaluate import Evaluation, evaluate
    from seamount.workflows.examine import Examination, check_import
    from seamount.workflows.export import Exported, export_lava
    from seamount.workflows.fit import Fit, fit
    from seamount.workflows.inspect import inspect
    from seamount.workflows.ladder import Check, check
    from seamount.workflows.listings import backends, networks, passes, target, targets
    from seamount.workflows.load import Model, load
    from seamount.workflows.price import Price, costs, price
    from seamount.workflows.ranges import RangeProof, ranges
    from seamount.workflows.record_check import RecordCheck, check_recording
    from seamount.workflows.recordings import Diff, diff
    from seamount.workflows.report import Report, report
    from seamount.workflows.run import Run
    from seamount.workflows.tune import torch_module, tune
    from seamount.workflows.tuned import Tuned, TuneSettings
    from seamount.workflows.vectors import check_vectors

_HOMES = {
    "backends.registry": ("load_target",),
    "compiler.errors": (
        "CheckFailed", "CompileError", "ContractError", "ImportRefused", "InputError", "Problem", "SeamountError",
    ),
    "compiler.placement.plan": ("DoesNotFit",),
    "frontends.model_file.save": ("save",),
    "workflows.artifact": ("Artifact", "load_artifact"),
    "workflows.blame.blame": ("blame",),
    "workflows.blame.found": ("Blame",),
    "workflows.compile": ("compile",),
    "workflows.data": ("DataSource",),
    "workflows.evaluate": ("Evaluation", "evaluate"),
    "workflows.examine": ("Examination", "check_import"),
    "workflows.export": ("Exported", "export_lava"),
    "workflows.fit": ("Fit", "fit"),
    "workflows.inspect": ("inspect",),
    "workflows.ladder": ("Check", "check"),
    "workflows.listings": ("backends", "networks", "passes", "target", "targets"),
    "workflows.load": ("Model", "load"),
    "workflows.price": ("Price", "costs", "price"),
    "workflows.ranges": ("RangeProof", "ranges"),
    "workflows.record_check": ("RecordCheck", "check_recording"),
    "workflows.recordings": ("Diff", "diff"),
    "workflows.report": ("Report", "report"),
    "workflows.run": ("Run",),
    "workflows.tune": ("torch_module", "tune"),
    "workflows.tuned": ("TuneSettings", "Tuned"),
    "workflows.vectors": ("check_vectors",),
}  # fmt: skip
"""Module -> public names that it defines."""

_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact",
    "Blame",
    "Check",
    "CheckFailed",
    "CompileError",
    "ContractError",
    "DataSource",
    "Diff",
    "DoesNotFit",
    "Evaluation",
    "Examination",
    "Exported",
    "Fit",
    "ImportRefused",
    "InputError",
    "Model",
    "Price",
    "Problem",
    "RangeProof",
    "RecordCheck",
    "Report",
    "Run",
    "SeamountError",
    "TuneSettings",
    "Tuned",
    "__version__",
    "backends",
    "blame",
    "check",
    "check_import",
    "check_recording",
    "check_vectors",
    "compile",
    "costs",
    "diff",
    "evaluate",
    "export_lava",
    "fit",
    "inspect",
    "load",
    "load_artifact",
    "load_target",
    "networks",
    "passes",
    "price",
    "ranges",
    "report",
    "save",
    "target",
    "targets",
    "torch_module",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
