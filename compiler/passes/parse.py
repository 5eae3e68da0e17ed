"""The text form of a pipeline: infer-shapes,fold-batchnorm,quantize{weight-bits=4}. `str` of a pipeline writes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_type_hints

import msgspec

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.passes import pass_class, pass_names
from seamount.compiler.passes.base import Pass, Pipeline, misplaced
from seamount.compiler.passes.option_text import Raw, Reader, Unreadable, option_fields

WHERE = "pipeline"


def parse_pipeline(text: str, defaults: Pipeline) -> Pipeline:
    """The pipeline of a text. Options that it omits are those of the same pass in `defaults`.

    Raises InputError with every unknown pass, option and value, and with every pass whose requirements no earlier one
    ensures.
    """
    problems: list[Problem] = []
    known = {p.name: p for p in defaults.passes}
    passes = [
        made for name, options in _steps(text) if (made := _pass(name, options, known, problems.append)) is not None
    ]
    raise_all(InputError, problems)
    raise_all(InputError, misplaced(passes))
    return Pipeline(tuple(passes))


def words_of(text: str) -> tuple[str, ...]:
    """The names of the passes in a text. Raises InputError for a text that is no pipeline."""
    return tuple(name for name, _ in _steps(text))


def _steps(text: str) -> list[tuple[str, list[tuple[str, Raw]]]]:
    """(name, options) of each pass."""
    reader, steps = Reader(text), []
    try:
        steps.append((reader.word("a pass"), reader.options()))
        while not reader.at_end:
            reader.expect(",")
            steps.append((reader.word("a pass"), reader.options()))
    except Unreadable as error:
        raise InputError(Problem(WHERE, str(error), "write pass,pass{option=value},...")) from None
    return steps


def _pass(
    name: str, options: list[tuple[str, Raw]], defaults: Mapping[str, Pass], report: Callable[[Problem], None]
) -> Pass | None:
    """The pass with these options; None, and everything reported that is wrong with it."""
    if name not in pass_names():
        report(Problem(f"pass '{name}'", "does not exist", f"one of {', '.join(pass_names())}"))
        return None
    kind = pass_class(name)
    known, hints = option_fields(kind), get_type_hints(kind)
    values: dict[str, Any] = {}
    faults = []
    for key, raw in options:
        where = f"option '{key}' of pass '{name}'"
        if key not in known:
            remedy = f"one of {', '.join(known)}" if known else "it has none"
            faults.append(Problem(where, "does not exist", remedy))
        elif known[key].name in values:
            faults.append(Problem(where, "is given twice", "keep one of the two"))
        else:
            try:
                values[known[key].name] = msgspec.convert(raw, hints[known[key].name], strict=False)
            except msgspec.ValidationError as error:
                faults.append(Problem(where, f"has a value that does not fit: {error}", f"type: {known[key].type}"))
    for fault in faults:
        report(fault)
    return None if faults else _made(kind, defaults.get(name), values, report)


def _made(
    kind: type[Pass], default: Pass | None, values: dict[str, Any], report: Callable[[Problem], None]
) -> Pass | None:
    if default is not None:
        return replace(default, **values) if values else default  # type: ignore[type-var]
    try:
        return kind(**values)
    except TypeError as error:
        report(Problem(f"pass '{kind.name}'", f"cannot be made: {error}", "give every option that has no default"))
        return None
