"""Mutants of a module: each a single small change of its syntax tree, described in words that survive other edits.

Left alone: docstrings, annotations, decorators, string constants, and what stands in f-strings (texts are held by
golden files). A mutant is known by its file, the function it lies in, the change, and its place among equal ones there.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

BINARY: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.Div),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitAnd,),
}
COMPARISON: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
SWAPPED = {
    a: b
    for pair in (("min", "max"), ("any", "all"), ("floor", "ceil"), ("minimum", "maximum"), ("argmin", "argmax"))
    for a, b in (pair, pair[::-1])
}
SKIPPED_FIELDS = frozenset({"annotation", "returns", "decorator_list", "type_params"})
REMOVABLE = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True)
class Mutant:
    """One change. function: outermost function or method it lies in; "" where it acts when the module is imported:
    constants, fields of classes, defaults of arguments.

    place: which of the equal changes in that function, from 0. number: position among all mutants of the file.
    """

    path: str
    function: str
    change: str
    place: int
    line: int
    number: int

    @property
    def name(self) -> str:
        """What the mutant is known by; does not move with the lines above it."""
        return f"{self.path}:{self.function}: {self.change} #{self.place}"


def mutants(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    seen: Counter[tuple[str, str]] = Counter()
    found: list[Mutant] = []
    for function, change, line, _ in _changes(ast.parse(source)):
        found.append(Mutant(path, function, change, seen[function, change], line, len(found)))
        seen[function, change] += 1
    return found


def mutated(source: str, number: int) -> ast.Module:
    """The tree of a file with its mutant `number` applied."""
    tree = ast.parse(source)
    apply = next(change[3] for n, change in enumerate(_changes(tree)) if n == number)
    apply()
    return ast.fix_missing_locations(tree)


Change = tuple[str, str, int, Callable[[], None]]


def _changes(tree: ast.Module) -> Iterator[Change]:
    yield from _inside(tree, "", "")


def _inside(parent: ast.AST, function: str, scope: str) -> Iterator[Change]:
    """Changes below a node. function: the outermost one that holds it. scope: names of the classes around it."""
    for field, value in ast.iter_fields(parent):
        if field in SKIPPED_FIELDS:
            continue
        entered = isinstance(parent, ast.FunctionDef) and field == "body" and not function
        within = f"{scope}.{parent.name}".lstrip(".") if entered else function
        inner = f"{scope}.{parent.name}".lstrip(".") if isinstance(parent, ast.ClassDef) else scope
        for index, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or isinstance(node, ast.JoinedStr) or _text(node):
                continue
            put = _setter(parent, field, index if isinstance(value, list) else None)
            for new in _replacements(node):
                yield within, f"{_words(node)} -> {_words(new)}", node.lineno, _later(put, new)
            yield from _inside(node, within, inner)


def _text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _setter(parent: ast.AST, field: str, index: int | None) -> Callable[[ast.AST], None]:
    def put(new: ast.AST) -> None:
        if index is None:
            setattr(parent, field, new)
        else:
            getattr(parent, field)[index] = new

    return put


def _later(put: Callable[[ast.AST], None], new: ast.AST) -> Callable[[], None]:
    return lambda: put(new)


def _words(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 110 else f"{text[:107]}..."


def _replacements(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of a node; nodes below are shared with the original."""
    if isinstance(node, ast.BinOp):
        for binary in BINARY.get(type(node.op), ()):
            yield _at(node, ast.BinOp(node.left, binary(), node.right))
    elif isinstance(node, ast.AugAssign):
        for binary in BINARY.get(type(node.op), ())[:1]:
            yield _at(node, ast.AugAssign(node.target, binary(), node.value))
    elif isinstance(node, ast.Compare):
        for n, old in enumerate(node.ops):
            for comparison in COMPARISON[type(old)]:
                yield _at(node, ast.Compare(node.left, [*node.ops[:n], comparison(), *node.ops[n + 1 :]],
                                            node.comparators))  # fmt: skip
    elif isinstance(node, ast.BoolOp):
        yield _at(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.If | ast.While) and not isinstance(node.test, ast.Compare | ast.UnaryOp):
        yield from _negated(node)
    elif isinstance(node, ast.IfExp):
        yield _at(node, ast.IfExp(node.test, node.orelse, node.body))
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Name | ast.Attribute):
        yield from _swapped(node)
    if isinstance(node, REMOVABLE) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield _at(node, ast.Pass())


def _negated(node: ast.If | ast.While) -> Iterator[ast.AST]:
    opposite = ast.UnaryOp(ast.Not(), node.test)
    yield _at(node, type(node)(opposite, node.body, node.orelse))


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield _at(node, ast.Constant(not node.value))
    elif isinstance(node.value, int):
        yield _at(node, ast.Constant(node.value + 1))
        yield _at(node, ast.Constant(node.value - 1))
    elif isinstance(node.value, float):
        yield _at(node, ast.Constant(node.value + 1.0))


def _swapped(node: ast.Name | ast.Attribute) -> Iterator[ast.AST]:
    if isinstance(node, ast.Name) and node.id in SWAPPED:
        yield _at(node, ast.Name(SWAPPED[node.id], node.ctx))
    elif isinstance(node, ast.Attribute) and node.attr in SWAPPED:
        yield _at(node, ast.Attribute(node.value, SWAPPED[node.attr], node.ctx))


def _at(old: ast.AST, new: ast.AST) -> ast.AST:
    return ast.copy_location(new, old)
