"""The first place where two runs part, explained in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from seamount.compiler.diff.neuron_step import Account, account
from seamount.compiler.diff.programs import program_differences
from seamount.compiler.diff.side import MESSAGE, REGISTERS, Compared, Place, Side, compare, first_of, later

Reading = Mapping[str, "int | None"]


@dataclass(frozen=True)
class Divergence:
    """The first difference of two runs, in local time, and how both sides came to it.

    place: by sample, step, layer in update order, neuron. register: "u", "v" or "s", the first of them that differs;
    "message" where the input already does. labels: names of the two sides. reads: what each side recorded there, u, v
    and s, or the message. accounts: the integers of the step, of each side that has a program. compared: all registers
    of all layers, with how much differs. programs: what differs between the programs themselves.
    """

    place: Place
    register: str
    labels: tuple[str, str]
    reads: tuple[Reading, Reading]
    accounts: tuple[Account | None, Account | None]
    compared: tuple[Compared, ...]
    programs: tuple[str, ...]


def find_divergence(a: Side, b: Side, samples_before: int = 0) -> Divergence | None:
    """The first divergence of two sides of which at least one has a program; None when they agree.

    Order: sample, step, layer (input ports, then populations in update order), neuron; registers u, v, spike. Only
    registers that both sides recorded are compared, over the samples and steps that both have. samples_before: what to
    add to the sample's number, when the sides are a part of a longer run.

    Raises InputError when the sides have nothing in common, ContractError when neither has a program.
    """
    return explain(a, b, compare(a, b), samples_before)


def explain(a: Side, b: Side, compared: tuple[Compared, ...], samples_before: int = 0) -> Divergence | None:
    """`find_divergence` where the comparison has been made already."""
    found = first_of(compared)
    if found is None or found.first is None:
        return None
    place = found.first
    programs = () if a.program is None or b.program is None else program_differences(a.program, b.program)
    shifted = (replace(c, first=c.first and later(c.first, samples_before)) for c in compared)
    return Divergence(
        later(place, samples_before),
        found.register,
        (a.label, b.label),
        (_reads(a, place, found.register), _reads(b, place, found.register)),
        (_account(a, place, found.register), _account(b, place, found.register)),
        tuple(shifted),
        programs,
    )


def _reads(side: Side, place: Place, register: str) -> Reading:
    registers = (MESSAGE,) if register == MESSAGE else REGISTERS
    return {name: side.reads(place.layer, name, place.at) for name in registers}


def _account(side: Side, place: Place, register: str) -> Account | None:
    return None if side.program is None or register == MESSAGE else account(side.program, side, place)
