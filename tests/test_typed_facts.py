"""Facts have types: no code takes a sentence apart to learn what it says.

Every place that takes a text apart is listed with what it takes apart: names, paths, versions, what a user typed. A
new one is entered here, or, if it reads a message back, becomes a type.
"""

from __future__ import annotations

import ast
from collections import Counter

from tests.test_layers import FILES, name_of, parse

APART = frozenset(
    {"startswith", "endswith", "partition", "rpartition", "split", "rsplit", "removeprefix", "removesuffix"}
)
SENTENCES = frozenset(
    {
        "where", "what", "found", "remedy", "limit", "text", "note", "notes", "why", "message", "conditions", "remark",
        "encoding", "verdict", "exact", "basis", "missing", "need", "needs",
    }
)  # fmt: skip
"""Names under which the code holds sentences, or the names of facts."""

ALLOWED = {
    "backends/lava/child.py": "lines of a child process, by the mark they begin with",
    "benchmarks/document.py": "tables in a document, between their marks",
}
"""Files that take apart a text under such a name which is no sentence of ours."""


def held(node: ast.expr) -> str:
    """The last name of what a method is called on: "text" of r.text.startswith, "notes" of x.notes[0].split."""
    while isinstance(node, ast.Subscript | ast.Call):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def read_back(tree: ast.AST) -> list[str]:
    """Calls that take a sentence apart, and membership tests of words in one."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in APART:
            if held(node.func.value) in SENTENCES:
                found.append(f"{node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            words = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
            if words and held(node.comparators[0]) in SENTENCES and " " in node.left.value:  # type: ignore[attr-defined]
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def test_no_sentence_is_read_back() -> None:
    found = {name_of(path): read_back(parse(path)) for path in FILES if name_of(path) not in ALLOWED}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_the_rule_can_fail() -> None:
    lines = (
        "x = note.startswith('delays are not balanced')",
        "x = int(s.encodings['q'].encoding.split()[1])",
        "x = [n for n in needs if n.what.startswith(refused)]",
        "x = 'lower clamp of v' in p.needs",
        "x = excess.where.split()[0]",
    )
    assert Counter(bool(read_back(ast.parse(line))) for line in lines) == {True: len(lines)}
    assert read_back(ast.parse("x = name.startswith('a'); y = 'a' in names")) == []


def test_every_exception_is_there_and_needed() -> None:
    names = {name_of(path): path for path in FILES}
    assert [name for name in ALLOWED if name not in names or not read_back(parse(names[name]))] == []
