"""What a result shows, as data: tables and lines, which terminals, notebooks and data frames show each in its way."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

    from seamount.compiler.measures import Likeness, Measures

WIDTH = 160
"""Columns of a text that goes to no terminal."""


@dataclass(frozen=True)
class Table:
    """Rows under columns; the first `left` columns hold text, the others numbers. None is an empty cell."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    left: int = 1


Block: TypeAlias = Table | str
"""A table, or a line of text."""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> Table:
    """A table of any sequences."""
    return Table(title, tuple(columns), tuple(tuple(row) for row in rows), left)


def percent(value: float | None) -> str:
    """A share as text; empty when unknown."""
    return "" if value is None else f"{100 * value:.2f} %"


def measures(found: Measures) -> str:
    """What was measured of answers, in words: "accuracy 97.50 %", "RMS error 0.12, correlation 0.9987, R2 0.99"."""
    parts = [f"accuracy {percent(found.accuracy)}"] if found.accuracy is not None else []
    parts += [f"mean IoU {percent(found.iou)}"] if found.iou is not None else []
    parts += [f"RMS error {found.rms:.4g}"] if found.rms is not None else []
    parts += [f"correlation {found.correlation:.4f}"] if found.correlation is not None else []
    parts += [f"R2 {found.r2:.4f}"] if found.r2 is not None else []
    return ", ".join(parts)


def likeness_words(found: Likeness) -> str:
    """How alike answers of two forms are, in words."""
    if found.rms is None:
        return f"same answer {percent(found.same)}"
    beside = "" if found.correlation is None else f", correlation {found.correlation:.4f}"
    return f"RMS difference {found.rms:.4g}{beside}"


def number(value: float | None, form: str) -> str:
    """A number in a format; empty when unknown."""
    return "" if value is None else format(value, form)


def cell(value: object) -> str:
    """The text of a cell."""
    return "" if value is None else str(value)


def print_to(console: Console, blocks: Iterable[Block]) -> None:
    """Write blocks to a console of rich: tables with bold titles, lines as they are."""
    for block in blocks:
        if isinstance(block, Table):
            _print_table(console, block)
        else:
            console.print(visible(block), markup=False, emoji=False, soft_wrap=True)


def _print_table(console: Console, block: Table) -> None:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=None, pad_edge=False, show_edge=False)
    for k, name in enumerate(block.columns):
        grid.add_column(Text(visible(name)), justify="left" if k < block.left else "right", overflow="fold")
    for row in block.rows:
        grid.add_row(*(Text(visible(cell(value))) for value in row))
    console.print(Text(visible(block.title), style="bold"))
    console.print(grid)
    console.print()


def as_text(blocks: Iterable[Block]) -> str:
    """Blocks as a terminal without colours shows them."""
    from rich.console import Console

    file = io.StringIO()
    print_to(Console(file=file, width=WIDTH, highlight=False, force_terminal=False, force_jupyter=False), blocks)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()).rstrip()


def as_html(blocks: Iterable[Block]) -> str:
    """Blocks as a notebook shows them; everything escaped."""
    shown = (_html_table(b) if isinstance(b, Table) else f"<div>{html.escape(b)}</div>" for b in blocks)
    return visible("\n".join(shown))


def _html_table(block: Table) -> str:
    def side(k: int) -> str:
        return "left" if k < block.left else "right"

    head = "".join(f'<th style="text-align:{side(k)}">{html.escape(c)}</th>' for k, c in enumerate(block.columns))
    body = "".join(
        "<tr>"
        + "".join(f'<td style="text-align:{side(k)}">{html.escape(cell(v))}</td>' for k, v in enumerate(row))
        + "</tr>"
        for row in block.rows
    )
    caption = f'<caption style="text-align:left"><b>{html.escape(block.title)}</b></caption>'
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Shown:
    """A result that shows itself: text in a terminal, tables in a notebook, data frames where pandas is installed."""

    def blocks(self) -> Iterable[Block]:
        """The tables and lines of this result, in order."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values: what the command writes with --json."""
        raise NotImplementedError

    def __str__(self) -> str:
        return as_text(self.blocks())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return as_html(self.blocks())

    def tables(self) -> dict[str, Table]:
        """The tables by title."""
        return {block.title: block for block in self.blocks() if isinstance(block, Table)}

    def to_frame(self, title: str | None = None) -> Any:
        """One table as a pandas DataFrame; the first, or the one whose title begins so.

        Raises InputError when pandas is missing, or there is no such table.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            remedy = "pip install pandas, or read .tables()"
            raise InputError(Problem("to_frame", "pandas is not installed", remedy)) from None
        found = self.tables()
        chosen = next((t for name, t in found.items() if title is None or name.startswith(title)), None)
        if chosen is None:
            raise InputError(Problem(f"table '{title}'", "there is none", f"one of {', '.join(found) or 'none'}"))
        return pandas.DataFrame(list(chosen.rows), columns=list(chosen.columns))
