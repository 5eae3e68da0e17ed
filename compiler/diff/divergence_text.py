"""A divergence as text: a headline, the cause, and the integers of both sides beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from seamount.compiler.diff.arrivals import Inflow, Message
from seamount.compiler.diff.divergence import Divergence
from seamount.compiler.diff.neuron_step import Account
from seamount.compiler.diff.side import MESSAGE, index_text, neuron_text
from seamount.compiler.program.program import DECAY_ONE, U_SPAN, V_MAX

NAMES = {"u": "u", "v": "v", "s": "spike", MESSAGE: "message"}
DIFFERING, LARGEST = 8, 3
"""Messages that are written out per projection: at most so many that differ, and the largest of the others."""
PROGRAM_LINES = 12
"""Differences between the programs that are written out."""


@dataclass(frozen=True)
class Row:
    """One line of the table: what it is, its cell on each side ("" where unknown), whether the sides differ."""

    label: str
    cells: tuple[str, str]
    differs: bool


def headline(d: Divergence) -> str:
    """Where the two sides part first, and with which values."""
    left, right = (reads[d.register] for reads in d.reads)
    return f"{d.place}: {NAMES[d.register]} {left} against {right}"


def text(d: Divergence) -> str:
    """Everything about a divergence, ending in a line feed."""
    lines = [f"first divergence: {headline(d)}", f"  A  {d.labels[0]}", f"  B  {d.labels[1]}", f"cause: {cause(d)}"]
    rows = list(_rows(d))
    if rows:
        lines += ["", *_table(rows)]
    if d.programs:
        shown = d.programs[:PROGRAM_LINES]
        lines += ["", "the programs differ", *(f"  {line}" for line in shown)]
        lines += [f"  and {len(d.programs) - len(shown)} more"] if len(shown) < len(d.programs) else []
    lines += ["", "differing entries"]
    lines += [f"  {NAMES[c.register]} of {c.layer}: {c.differing} of {c.entries}" for c in d.compared if c.differing]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def as_json(d: Divergence) -> dict[str, Any]:
    """Plain data, with every message that arrived."""
    return {**asdict(d), "headline": headline(d), "cause": cause(d)}


# cause


def cause(d: Divergence) -> str:
    """The first integer of the step that differs, or who does not follow the program."""
    if d.register == MESSAGE:
        return "the two sides were given different messages"
    for label, reads, account in zip("AB", d.reads, d.accounts, strict=True):
        for register in "usv":
            read = reads[register]
            if account is not None and read is not None and read != _computed(account, register):
                given = _computed(account, register)
                return f"{label} does not follow its program: {NAMES[register]} is {read}, its integers give {given}"
    a, b = d.accounts
    if a is None or b is None:
        return _record_against_program(d)
    return _arrival_cause(a, b) if d.register == "u" and a.a != b.a else _register_cause(a, b)


def _computed(account: Account, register: str) -> int:
    return {"u": account.u, "v": account.v, "s": account.spike}[register]


def _record_against_program(d: Divergence) -> str:
    program, record = ("A", "B") if d.accounts[1] is None else ("B", "A")
    left, right = d.reads if program == "A" else d.reads[::-1]
    name = NAMES[d.register]
    text = f"the program of {program} gives {name} {left[d.register]}, the record {record} says {right[d.register]}"
    if (d.register, left["s"], left["v"], right["v"]) == ("v", 1, 0, 128):
        text += "; a chip's v reads 128 at a spike, which --silicon accepts"
    return text


def _arrival_cause(a: Account, b: Account) -> str:
    """Why the sums of the messages differ."""
    for name, left, right in _pairs(a, b):
        if (left.share if left else 0) == (right.share if right else 0):
            continue
        if left is None or right is None:
            return f"projection '{name}' exists on one side only"
        if left.lag != right.lag:
            return f"projection '{name}': lag {left.lag} against {right.lag}"
        for x, y in _matched(left, right):
            if (x.payload if x else 0) != (y.payload if y else 0):
                return f"projection '{name}': message {_message(x)} against {_message(y)}"
            if x and y and x.weight != y.weight:
                return f"projection '{name}': weight {index_text(x.weight_index)} is {x.weight} against {y.weight}"
        return f"projection '{name}': weight exponent {left.exponent} against {right.exponent}"
    return f"a is {a.a} against {b.a}"


def _register_cause(a: Account, b: Account) -> str:
    """Which parameter makes the registers differ, the same messages having arrived."""
    stages: tuple[tuple[str, Callable[[Account], int | None], Callable[[Account], str]], ...] = (
        ("u before", lambda x: x.u_before, lambda x: str(x.u_before)),
        ("decay du", lambda x: x.u_decayed, lambda x: str(x.du)),
        ("current u", lambda x: x.u, lambda x: str(x.u)),
        ("v at the start", lambda x: x.v_before, lambda x: str(x.v_before)),
        ("decay dv", lambda x: x.v_decayed, lambda x: str(x.dv)),
        ("bias", lambda x: x.bias, lambda x: str(x.bias)),
        ("v", lambda x: x.v_full, lambda x: str(x.v_full)),
        ("threshold", lambda x: x.spike, _threshold),
        ("reset", lambda x: x.v_reset, _reset),
        ("lower clamp", lambda x: x.v, lambda x: str(x.v_min)),
    )
    for name, value, shown in stages:
        if value(a) != value(b):
            return f"{name} {shown(a)} against {shown(b)}"
    return "the registers differ, the integers of the step do not"


# table


def _table(rows: list[Row]) -> list[str]:
    width = max(len(row.label) for row in rows)
    first = max(len("A"), *(len(row.cells[0]) for row in rows))
    second = max(len("B"), *(len(row.cells[1]) for row in rows))
    lines = [f"  {'':{width}}  {'A':{first}}  {'B':{second}}"]
    return lines + [
        f"  {row.label:{width}}  {row.cells[0]:{first}}  {row.cells[1]:{second}}  {'*' if row.differs else ''}"
        for row in rows
    ]


def _rows(d: Divergence) -> Iterator[Row]:
    a, b = d.accounts
    if a is None and b is None:
        return
    for name, left, right in _pairs(a, b):
        yield from _inflow_rows(name, left, right)

    def both(label: str, cell: Callable[[Account], str]) -> Row:
        cells = "" if a is None else cell(a), "" if b is None else cell(b)
        return Row(label, cells, all(cells) and cells[0] != cells[1])

    def register(label: str, name: str, cell: Callable[[Account], str]) -> Row:
        cells = [_read(account, reads[name], name, cell) for account, reads in zip(d.accounts, d.reads, strict=True)]
        left, right = (reads[name] for reads in d.reads)
        return Row(label, (cells[0], cells[1]), None not in (left, right) and left != right)

    yield both("a, the sum", lambda x: str(x.a))
    yield both("u before", lambda x: str(x.u_before))
    yield both("times 4095 - du", lambda x: f"* {DECAY_ONE - 1 - x.du} = {x.u_product}")
    yield both("by 4096, toward zero", lambda x: str(x.u_decayed))
    yield both("plus 64 a", lambda x: f"+ {64 * x.a} = {x.u_sum}")
    yield register("u", "u", _wrap)
    yield both("v before", lambda x: str(x.v_before))
    yield both("times 4096 - dv", lambda x: f"* {DECAY_ONE - x.dv} = {x.v_product}")
    yield both("by 4096, toward zero", lambda x: str(x.v_decayed))
    yield both("plus u and bias", lambda x: f"+ {x.u} + {x.bias} = {x.v_sum}")
    yield both("v'", _saturation)
    yield both("64 vth", _threshold)
    yield register("spike", "s", _comparison)
    yield both("reset", lambda x: f"{_reset(x)}: {x.v_reset}" if x.spike else "none")
    yield register("v after", "v", lambda x: str(x.v) + (f", clamped from {x.v_reset}" if x.v != x.v_reset else ""))


def _inflow_rows(name: str, a: Inflow | None, b: Inflow | None) -> Iterator[Row]:
    """A projection: when its messages were sent, the messages worth seeing, the sum of the others, its share."""

    def both(label: str, cell: Callable[[Inflow], str]) -> Row:
        cells = "" if a is None else cell(a), "" if b is None else cell(b)
        return Row(label, cells, all(cells) and cells[0] != cells[1])

    yield both(name, _sent)
    pairs: list[Pair] = list(_matched(a, b)) if a and b else [(x, x) for x in (a or b or _NONE).messages]
    chosen = _worth_seeing(pairs)
    for x, y in chosen:
        cells = _message(x) if a else "", _message(y) if b else ""
        seen = x or y
        if seen is not None:
            label = f"  {seen.source} {neuron_text(seen.neuron, seen.index)}, weight {index_text(seen.weight_index)}"
            yield Row(label, cells, all(cells) and cells[0] != cells[1])
    shown = {seen.neuron for pair in chosen for seen in pair if seen is not None}
    if len(pairs) > len(chosen):
        yield both("  others", lambda f: _others(f, shown))
    if pairs:
        yield both(f"  sum of {len(pairs)}", _share)


_NONE = Inflow("", "", 0, None, 0, (), 0, 0)
Pair = tuple["Message | None", "Message | None"]


def _worth_seeing(pairs: list[Pair]) -> list[Pair]:
    """The pairs that differ and the largest of the others, in order of their source."""
    if len(pairs) <= DIFFERING:
        return pairs
    differing = [p for p in pairs if _message(p[0]) != _message(p[1])]
    alike = [p for p in pairs if _message(p[0]) == _message(p[1])]
    largest = sorted(alike, key=lambda p: -abs(p[0].product if p[0] else 0))[:LARGEST]
    chosen = differing[:DIFFERING] + largest
    return [p for p in pairs if p in chosen]


def _others(inflow: Inflow, shown: set[int]) -> str:
    rest = [m for m in inflow.messages if m.neuron not in shown]
    return f"{len(rest)} add {sum(m.product for m in rest)}"


def _pairs(a: Account | None, b: Account | None) -> Iterator[tuple[str, Inflow | None, Inflow | None]]:
    """Projections of both sides by name."""
    left, right = ({x.projection: x for x in (account.inflows if account else ())} for account in (a, b))
    for name in dict.fromkeys([*left, *right]):
        yield name, left.get(name), right.get(name)


def _matched(a: Inflow, b: Inflow) -> Iterator[Pair]:
    """Messages of both sides by the neuron that sent them."""
    left, right = ({m.neuron: m for m in inflow.messages} for inflow in (a, b))
    for neuron in sorted({*left, *right}):
        yield left.get(neuron), right.get(neuron)


# cells


def _read(account: Account | None, read: int | None, name: str, cell: Callable[[Account], str]) -> str:
    """The integers of a side and, where they are not what it recorded, what it recorded."""
    if account is None:
        return "" if read is None else f"{read}, recorded"
    text = cell(account)
    return text if read in (None, _computed(account, name)) else f"{text}; recorded {read}"


def _message(m: Message | None) -> str:
    return "none" if m is None else f"{m.payload} * {m.weight} = {m.product}"


def _sent(inflow: Inflow) -> str:
    return f"lag {inflow.lag}: " + ("nothing yet" if inflow.sent is None else f"sent in step {inflow.sent}")


def _share(inflow: Inflow) -> str:
    return str(inflow.total) + (f" * 2**{inflow.exponent} = {inflow.share}" if inflow.exponent else "")


def _wrap(x: Account) -> str:
    if x.u == x.u_sum:
        return str(x.u)
    return f"{x.u}, wrapped by {'-' if x.u < x.u_sum else '+'}{U_SPAN}"


def _saturation(x: Account) -> str:
    return str(x.v_full) if x.v_full == x.v_sum else f"{x.v_full}, saturated at {'-' if x.v_full < 0 else ''}{V_MAX}"


def _threshold(x: Account) -> str:
    return "never fires" if x.vth is None else f"64 * {x.vth} = {x.threshold}"


def _comparison(x: Account) -> str:
    return "0" if x.threshold is None else f"{x.spike}: {x.v_full} {'>' if x.spike else '<='} {x.threshold}"


def _reset(x: Account) -> str:
    return "to zero" if x.reset == "zero" else f"by {x.reset_by}"
