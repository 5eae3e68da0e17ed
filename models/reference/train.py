"""Train a reference network: python -m seamount.models.reference.train NAME --out model.pt

--checkpoint writes the weights as a state_dict, --out the network with all it needs to be compiled.
The test split is used once, after the last update; with --hold-out not at all, to choose a schedule by.
"""

from __future__ import annotations

import argparse
import dataclasses
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seamount.compiler.errors import InputError, Problem, SeamountError, raise_all
from seamount.frontends.model_file.file import write_torch
from seamount.models.data import datasets
from seamount.models.data.samples import Data
from seamount.models.reference.card import Card, OneCycle
from seamount.models.reference.registry import CARDS, card
from seamount.models.reference.training import accuracy, parameter_count, train


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code, 2 for input that cannot be used."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        _run(options, console)
    except SeamountError as error:
        console.print(str(error), markup=False, style="red")
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m seamount.models.reference.train", description=__doc__)
    parser.add_argument("name", choices=sorted(CARDS), help="reference network")
    parser.add_argument("--data", type=Path, help="data folder (default: SEAMOUNT_DATA)")
    parser.add_argument("--epochs", type=int, help="instead of the card's")
    parser.add_argument("--seed", type=int, help="instead of the card's")
    parser.add_argument("--threads", type=int, help="instead of the card's")
    parser.add_argument("--limit", type=int, help="train on the first so many samples only")
    parser.add_argument(
        "--hold-out", type=int, metavar="N", help="every Nth training sample is not trained on but tested"
    )
    parser.add_argument("--weights", type=Path, help="do not train, take the weights of this state_dict")
    parser.add_argument("--checkpoint", type=Path, help="write the state_dict here")
    parser.add_argument("--out", type=Path, help="write the model file here")
    return parser


def _run(options: argparse.Namespace, console: Console) -> None:
    chosen = card(options.name)
    given = {k: getattr(options, k) for k in ("epochs", "seed", "threads")}
    cycle = dataclasses.replace(chosen.cycle, **{k: v for k, v in given.items() if v is not None})
    _check(options, cycle)
    torch.set_num_threads(cycle.threads)
    steps = chosen.steps if chosen.data in datasets.BINNED else None
    if options.weights is not None:
        test = datasets.load(chosen.data, "test", options.data, steps=steps)
        model = _read_checkpoint(chosen, options.weights)
    else:
        training, test = _splits(options, chosen, steps)
        start = time.perf_counter()
        model = _train_with_bar(chosen, training, cycle, console)
        seconds = time.perf_counter() - start
        console.print(f"{len(training.y)} training samples, {cycle.epochs} epochs in {seconds:.0f} s")
    reached = accuracy(model, test, chosen)
    console.print(f"{chosen.name}: {parameter_count(model)} parameters")
    kind = "test" if options.hold_out is None else "held-out"
    console.print(f"{kind} accuracy {reached:.4f} on {len(test.y)} samples")
    if options.checkpoint is not None:
        write_torch(model.state_dict(), options.checkpoint)
    if options.out is not None:
        _write_model_file(model, options.out, chosen, test, reached)


def _splits(options: argparse.Namespace, chosen: Card, steps: int | None) -> tuple[Data, Data]:
    """Samples to train on and to test on."""
    training = datasets.load(chosen.data, "train", options.data, options.limit, steps)
    if options.hold_out is None:
        return training, datasets.load(chosen.data, "test", options.data, steps=steps)
    held = np.arange(len(training.y)) % options.hold_out == 0
    one, other = (dataclasses.replace(training, x=training.x[k], y=training.y[k]) for k in (~held, held))
    return one, other


def _check(options: argparse.Namespace, cycle: OneCycle) -> None:
    problems = [
        Problem(f"--{key}", f"is {getattr(cycle, key)}", "give at least 1")
        for key in ("epochs", "threads")
        if getattr(cycle, key) < 1
    ]
    if options.hold_out is not None:
        if options.hold_out < 2:
            problems.append(Problem("--hold-out", f"is {options.hold_out}", "give at least 2"))
        if options.out is not None:
            problems.append(Problem("--out", "with --hold-out", "train on all samples for a file"))
        if options.weights is not None:
            problems.append(Problem("--weights", "with --hold-out", "nothing is trained; leave --hold-out away"))
    raise_all(InputError, problems)


def _train_with_bar(chosen: Card, training: Data, cycle: OneCycle, console: Console) -> torch.nn.Module:
    per_epoch = max(1, len(training.y) // cycle.batch)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(chosen.name)
        losses: list[float] = []

        def report(done: int, total: int, loss: float) -> None:
            losses.append(loss)
            bar.update(task, completed=done, total=total)
            if done % per_epoch == 0:
                mean = sum(losses[-per_epoch:]) / per_epoch
                console.print(f"epoch {done // per_epoch}/{cycle.epochs}  loss {mean:.4f}")

        return train(chosen, training, cycle, report)


def _read_checkpoint(chosen: Card, path: Path) -> torch.nn.Module:
    """The network with the weights of a state_dict, in evaluation mode."""
    model = chosen.build()
    try:
        model.load_state_dict(torch.load(path, weights_only=True))
    except OSError as error:
        found = f"cannot be read: {error.strerror}"
        raise InputError(Problem(str(path), found, "check the path")) from None
    except (RuntimeError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        found = f"does not hold the weights of {chosen.name}: {str(error).splitlines()[0]}"
        raise InputError(Problem(str(path), found, "use a file that --checkpoint wrote")) from None
    return model.eval()


def _write_model_file(model: torch.nn.Module, path: Path, chosen: Card, test: Data, reached: float) -> None:
    """The file that `seamount compile` reads; golden samples are the first of the test split."""
    from seamount.frontends import save

    count = chosen.golden
    save(
        model,
        path,
        sample=test.x[:count],
        steps=chosen.steps,
        encoding=chosen.encoding,
        readout=chosen.readout,
        labels=test.y[:count],
        classes=test.classes,
        accuracy=reached,
        coding="spikes" if np.isin(test.x, (0, 1)).all() else "graded",
        input_range=(0.0, chosen.high),
        name=chosen.name,
        description=f"{chosen.layers}; {chosen.origin}; data: {chosen.data_licence}",
    )


if __name__ == "__main__":
    sys.exit(main())
