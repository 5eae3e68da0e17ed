"""Seeded mutations of bytes, of text, and of trees of plain values."""

from __future__ import annotations

import random
from typing import Any

ODD = (
    None, True, False, 0, -1, 1, 2, 2**31, -(2**31), 2**63, 10**30, 0.0, -0.5, 1e-300, 1e300, float("nan"),
    float("inf"), "", "x", "0", "\x1b[31m", "\ud800", "a" * 300, [], [1], [[1]], {}, {"x": 1},
)  # fmt: skip
"""Values that a field does not expect."""


def of_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes replaced, parts cut out, doubled, moved or zeroed."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, length = rng.randrange(len(found) + 1), rng.choice((1, 2, 4, 8, 64))
        kind = rng.randrange(7)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            found[at : at + length] = rng.randbytes(length)
        elif kind == 2:
            del found[at : at + length]
        elif kind == 3:
            found[at:at] = found[at : at + length]
        elif kind == 4:
            found[at : at + length] = bytes(min(length, len(found) - at))
        elif kind == 5:
            found[at : at + length] = b"\xff" * min(length, len(found) - at)
        else:
            del found[at:]
    return bytes(found)


def of_tree(tree: Any, rng: random.Random) -> Any:
    """A tree of JSON with one to three of its values replaced, removed, doubled, or of another place."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = places(tree)
        if not found:
            return tree
        holder, key = rng.choice(found)
        kind = rng.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            other, from_ = rng.choice(found)
            holder[key] = _copy(other[from_])
        elif kind == 2 and isinstance(holder, dict):
            holder[rng.choice(("extra", "name", "kind", "shape"))] = rng.choice(ODD)
        elif kind == 3 and isinstance(holder[key], int | float):
            holder[key] = holder[key] + rng.choice((-1, 1, 2**16, -(2**31)))
        else:
            holder[key] = _copy(rng.choice(ODD))
    return tree


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def places(tree: Any) -> list[tuple[Any, Any]]:
    """(holder, key) of every value in the tree."""
    found: list[tuple[Any, Any]] = []
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
    for key in keys:
        found.append((tree, key))
        found += places(tree[key])
    return found


TOKENS = (
    "=",
    "[",
    "]",
    "{",
    "}",
    '"',
    "\n",
    ",",
    "9" * 400,
    "nan",
    "inf",
    "-1",
    "true",
    "1979-05-27",
    "\x00",
    "é",
    "#",
)


def of_text(text: str, rng: random.Random) -> str:
    """Lines removed, doubled and swapped, and words replaced by what they should not be."""
    lines = text.split("\n")
    for _ in range(rng.choice((1, 2, 4))):
        at = rng.randrange(len(lines))
        kind = rng.randrange(5)
        if kind == 0 and len(lines) > 1:
            del lines[at]
        elif kind == 1:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif kind == 2:
            cut = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:cut] + rng.choice(TOKENS) + lines[at][cut:]
        elif kind == 3:
            words = lines[at].replace(",", " , ").split(" ")
            words[rng.randrange(len(words))] = rng.choice(TOKENS)
            lines[at] = " ".join(words)
        else:
            lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    return "\n".join(lines)
