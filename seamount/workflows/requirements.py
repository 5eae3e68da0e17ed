"""Bounds that a check must keep, as a user writes them: accuracy-drop<=1%, lava=exact.

    accuracy>=95%        of the integer program
    accuracy-drop<=1%    points lost between the imported graph and the integer program
    agreement>=98%       answers of the integer program that equal the imported graph's
    iou>=80%, iou-drop<=1%    mean intersection over union of classes per pixel, and what was lost of it
    rms<=0.05            real values of the integer program against the imported graph's: root mean squared difference
    correlation>=0.98    the same, Pearson's correlation
    rms-error<=0.1, r2>=0.9   real values of the integer program against the labels
    framework=exact      imported graph against the framework's golden trace
    reference=exact      reference simulator against the integer program
    lava=exact           Lava against the integer program
    trace=exact          a recorded trace against the integer program

What was not measured is not kept: a requirement on Lava fails where Lava did not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.measures import Likeness, Measures
from seamount.workflows.rungs import Form, Rung

SHARES = {"accuracy": ">=", "accuracy-drop": "<=", "agreement": ">=", "iou": ">=", "iou-drop": "<="}
"""Requirements on a share -> the direction of their bound."""
VALUES = {"rms": "<=", "correlation": ">=", "rms-error": "<=", "r2": ">="}
"""Requirements on real values -> the direction of their bound, a plain number."""
EXACT = {"framework": Form.GOLDEN, "reference": Form.REFERENCE, "lava": Form.LAVA, "trace": Form.TRACE}
"""Requirements of exactness -> the form of the network they are on."""
ROUNDING = 1e-9
"""Accuracies are quotients of counts; points within this of a bound are on it."""
_FORM = re.compile(r"\s*([a-z][a-z0-9-]*)\s*(<=|>=|=)\s*(exact|(?:\d+(?:\.\d+)?|\.\d+)\s*%?)\s*", re.ASCII)


@dataclass(frozen=True)
class Requirement:
    """`name` `op` `bound`; the bound of a share in percent, None for exact."""

    name: str
    op: str
    bound: float | None

    def __str__(self) -> str:
        unit = "%" if self.name in SHARES else ""
        return f"{self.name}{self.op}{'exact' if self.bound is None else f'{self.bound:g}{unit}'}"


def parse_requirements(texts: Iterable[str]) -> tuple[Requirement, ...]:
    """Requirements of the form NAME OP BOUND. Raises InputError with all that are none."""
    found: list[Requirement] = []
    problems: list[Problem] = []
    for text in texts:
        parsed = _parse(text)
        if isinstance(parsed, Problem):
            problems.append(parsed)
        else:
            found.append(parsed)
    if problems:
        raise InputError(problems)
    return tuple(found)


def judge(requirements: Iterable[Requirement], rungs: Sequence[Rung]) -> list[Problem]:
    """The requirements that do not hold for the rungs of a check, or that nothing was measured for."""
    return [problem for r in requirements if (problem := _judge(r, rungs)) is not None]


def _parse(text: str) -> Requirement | Problem:
    where = f"--require '{text}'"
    shares, values = ([f"{n}{op}N" for n, op in kind.items()] for kind in (SHARES, VALUES))
    names = ", ".join([*(f"{form}%" for form in shares), *values, *(f"{n}=exact" for n in EXACT)])
    match = _FORM.fullmatch(text)
    if match is None or (match[3][-1].isdigit() and match[1] not in VALUES):
        return Problem(where, "is not of the form NAME OP BOUND, with a bound in % or 'exact'", f"write one of {names}")
    name, op, bound = match.groups()
    if name in VALUES:
        return _parse_value(where, name, op, bound)
    if name not in SHARES and name not in EXACT:
        return Problem(where, f"there is nothing called '{name}'", f"write one of {names}")
    if name in EXACT:
        if (op, bound) != ("=", "exact"):
            return Problem(where, f"'{name}' can only be exact", f"write {name}=exact")
        return Requirement(name, op, None)
    if bound == "exact" or op != SHARES[name]:
        return Problem(where, f"'{name}' takes {SHARES[name]} and a bound in %", f"write {name}{SHARES[name]}N%")
    value = float(bound.rstrip("% "))
    if value > 100:
        return Problem(where, f"{value:g} % is more than all", "give a bound of 0 to 100 %")
    return Requirement(name, op, value)


def _parse_value(where: str, name: str, op: str, bound: str) -> Requirement | Problem:
    """A requirement on real values."""
    wanted = VALUES[name]
    if op != wanted or not bound[-1].isdigit():
        return Problem(where, f"'{name}' takes {wanted} and a number", f"write {name}{wanted}N")
    return Requirement(name, op, float(bound))


def _judge(r: Requirement, rungs: Sequence[Rung]) -> Problem | None:
    return _judge_exact(r, rungs) if r.bound is None else _judge_bound(r, r.bound, rungs)


def _judge_exact(r: Requirement, rungs: Sequence[Rung]) -> Problem | None:
    rung = next((x for x in rungs if x.form is EXACT[r.name]), None)
    if rung is None or rung.differing is None:
        return _not_measured(r)
    if not rung.differing and rung.compared:
        return None
    found = f"{rung.name}: {rung.differing} of {rung.compared} entries differ"
    found += f" from the {rung.exact_with.value}" if rung.exact_with else ""
    remedy = "run 'seamount diff' to see where and why"
    return Problem(f"require {r}", found, remedy, "exact, and at least one entry compared")


def _judge_bound(r: Requirement, bound: float, rungs: Sequence[Rung]) -> Problem | None:
    value = _measured(r.name, {x.form: x for x in rungs})
    if value is None:
        return _wrong_measure(r, rungs) or _not_measured(r)
    if value >= bound - ROUNDING if r.op == ">=" else value <= bound + ROUNDING:
        return None
    unit = "" if r.name in VALUES else " points" if r.name.endswith("-drop") else " %"
    digits = ".4g" if r.name in VALUES else ".2f"
    remedy = "use more weight bits, or --calibrate; or relax the requirement"
    return Problem(f"require {r}", f"{r.name} is {value:{digits}}{unit}", remedy, f"{r.op} {bound:g}{unit}")


def _measured(name: str, rungs: dict[Form, Rung]) -> float | None:
    """The share in percent, or the value; None where it was not measured."""
    integer, imported = rungs.get(Form.INTEGER), rungs.get(Form.IMPORTED)
    if integer is None:
        return None
    good, alike = integer.measures, integer.likeness
    values = {"rms": alike.rms, "correlation": alike.correlation, "rms-error": good.rms, "r2": good.r2}
    if name in VALUES:
        return values[name]
    shares = {"agreement": alike.same, "accuracy": good.accuracy, "iou": good.iou}
    before = Measures() if imported is None else imported.measures
    lost = {"accuracy-drop": (before.accuracy, good.accuracy), "iou-drop": (before.iou, good.iou)}
    if name in shares:
        share = shares[name]
        return None if share is None else 100 * share
    first, last = lost[name]
    return None if first is None or last is None else 100 * (first - last)


def _wrong_measure(r: Requirement, rungs: Sequence[Rung]) -> Problem | None:
    """A requirement that the task of the network does not have."""
    alike = next((x.likeness for x in rungs if x.form is Form.INTEGER), Likeness())
    if r.name in SHARES and alike.rms is not None:
        found = f"{r.name} is a measure of classes, and the network answers with real values"
        remedy = "require rms<=N or correlation>=N, or with labels rms-error<=N or r2>=N"
        return Problem(f"require {r}", found, remedy)
    if r.name in VALUES and alike.same is not None:
        found = f"{r.name} is a measure of real values, and the network answers with classes"
        return Problem(f"require {r}", found, "require agreement>=N%, or with labels accuracy>=N%")
    return None


def _not_measured(r: Requirement) -> Problem:
    remedies = {
        "lava": "install Lava ('make lava') and give --lava yes",
        "framework": "check a model file; a .nir file holds no golden trace",
        "trace": "give --trace FILE",
        "reference": "check again with this Seamount",
        "agreement": "check again with this Seamount",
        "rms": "check a model; an artifact alone holds no float network",
        "correlation": "check a model whose output is not constant",
        "iou": "give --data with a label per pixel, to a network saved with task='pixels'",
        "iou-drop": "give --data with a label per pixel, to a network saved with task='pixels'",
    }
    remedy = remedies.get(r.name, "give --data with labels")
    return Problem(f"require {r}", f"{r.name} was not measured", remedy, "what is required must be measured")
