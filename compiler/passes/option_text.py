"""Values of pass options as text, and back: 4, 0.5, true, null, [0, 7], {conv1=6, "a layer"=4}."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, TypeAlias

Raw: TypeAlias = "str | list[Raw] | dict[str, Raw]"
"""A value as it was read: the type of its option decides what it becomes."""

_PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")
_TOKEN = re.compile(r'\s*(?:([A-Za-z0-9_.+-]+)|("(?:[^"\\]|\\.)*")|([{}\[\]=,])|(\S))')


class Unreadable(ValueError):
    """Text that is no value or no pipeline, with what was found at which character."""


def option_fields(kind: type) -> dict[str, Field[Any]]:
    """Option as it is written -> the field of the pass. Fields without repr hold data, not options."""
    found = fields(kind) if is_dataclass(kind) else ()
    return {f.name.replace("_", "-"): f for f in found if f.repr}


def options_text(owner: object) -> str:
    """The options of a pass as {a=1, b=2}; empty mappings are omitted, and so are empty braces."""
    values = {name: getattr(owner, f.name) for name, f in option_fields(type(owner)).items()}
    shown = [f"{name}={value_text(v)}" for name, v in values.items() if not (isinstance(v, Mapping) and not v)]
    return f"{{{', '.join(shown)}}}" if shown else ""


def value_text(value: object) -> str:
    """One value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(str(k))}={value_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return _word(value) if isinstance(value, str) else repr(value)


def _word(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class Reader:
    """Reads names, values and options from a text, one token after the other."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, bool, int]] = list(_tokens(text))
        self._next = 0

    @property
    def at_end(self) -> bool:
        """Whether the text is used up."""
        return self._tokens[self._next][0] == ""

    def take(self, sign: str) -> bool:
        """Whether the next token is this sign; it is then used up."""
        token, is_sign, _ = self._tokens[self._next]
        if is_sign and token == sign:
            self._next += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        """Use up the sign. Raises Unreadable where something else stands."""
        if not self.take(sign):
            raise self._unexpected(f"'{sign}'")

    def word(self, what: str) -> str:
        """A name or number, in quotes where it holds other characters."""
        token, is_sign, _ = self._tokens[self._next]
        if is_sign or token == "":
            raise self._unexpected(what)
        self._next += 1
        return _unquoted(token)

    def value(self) -> Raw:
        """A word, a list or a mapping."""
        if self.take("["):
            return list(self._until("]", self.value))
        if self.take("{"):
            return dict(self._until("}", self.pair))
        return self.word("a value")

    def pair(self) -> tuple[str, Raw]:
        """name=value."""
        name = self.word("a name")
        self.expect("=")
        return name, self.value()

    def options(self) -> list[tuple[str, Raw]]:
        """The options in braces, none where there are no braces."""
        return list(self._until("}", self.pair)) if self.take("{") else []

    def _until(self, end: str, read: Any) -> Iterator[Any]:
        if self.take(end):
            return
        yield read()
        while not self.take(end):
            if not self.take(","):
                raise self._unexpected(f"',' or '{end}'")
            yield read()

    def _unexpected(self, wanted: str) -> Unreadable:
        token, _, place = self._tokens[self._next]
        return Unreadable(
            f"has {f'{token!r}' if token else 'its end'} at character {place + 1}, where {wanted} belongs"
        )


def _tokens(text: str) -> Iterator[tuple[str, bool, int]]:
    """(token, whether it is a sign, where it begins), and an empty one at the end."""
    for match in _TOKEN.finditer(text):
        word, quoted, sign, other = match.groups()
        token = word or quoted or sign or other
        yield token, word is None and quoted is None, match.start(match.lastindex or 0)
    yield "", True, len(text)


def _unquoted(token: str) -> str:
    if not token.startswith('"'):
        return token
    try:
        return str(json.loads(token))
    except json.JSONDecodeError as error:
        raise Unreadable(f"has {token}, which is not a quoted text: {error.msg}") from None
