"""Text as it may be shown: what would steer a terminal, or make text read as another, becomes its escape.

Names come from files; this is applied where text leaves the program.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Control characters but line feed and tab, marks of writing direction, characters without width, lone surrogates."""


def visible(text: str) -> str:
    """The text with each such character as Python would write it: \\x1b, \\u202e."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
