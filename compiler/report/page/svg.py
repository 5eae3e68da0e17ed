"""Drawing: elements, scales and axes. All text passes through markupsafe, so that names cannot become markup.

Shapes carry classes only; colours, patterns and dark mode are in style.css. Nothing here knows what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup, escape

Scale = Callable[[float], float]


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An element; `class_` stands for class and an underscore for a hyphen. Children and values are escaped."""
    inside = Markup("").join(escape(c) for c in children if c is not None)
    stated = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _plain(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), stated, inside)


def _plain(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def figure(width: int, height: float, title: str, description: str, *parts: object) -> Markup:
    """A chart with the text that stands for it where it cannot be seen."""
    return tag(
        "svg", tag("title", title), tag("desc", description), *parts,
        viewBox=f"0 0 {width} {height:.0f}", role="img", class_="chart", width=width, height=f"{height:.0f}",
    )  # fmt: skip


def text(x: float, y: float, words: object, class_: str = "", anchor: str | None = None) -> Markup:
    """Words at a point. anchor: "middle" or "end"; the start else."""
    return tag("text", words, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, hover: str | None = None) -> Markup:
    """A bar or a cell; `hover` is shown when the pointer rests on it."""
    children = [] if hover is None else [tag("title", hover)]
    return tag("rect", *children, x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=class_)


def dot(x: float, y: float, r: float, class_: str, hover: str | None = None) -> Markup:
    children = [] if hover is None else [tag("title", hover)]
    return tag("circle", *children, cx=x, cy=y, r=r, class_=class_)


def path(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """A line through points."""
    d = "".join(f"{'L' if k else 'M'}{x:.1f} {y:.1f}" for k, (x, y) in enumerate(points))
    return tag("path", d=d, class_=class_)


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """low..high onto start..end; the middle where low = high."""
    span = high - low
    return lambda x: start + (end - start) * ((x - low) / span if span else 0.5)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """The same on a logarithmic axis; low must be positive."""
    inner = linear(log10(low), log10(high), start, end)
    return lambda x: inner(log10(max(x, low)))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within low..high: multiples of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** floor(log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    return [k * step for k in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten within low..high; where they are few, twice and five times them as well."""
    steps = (1.0,) if high / low > 300 else (1.0, 2.0, 5.0)
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [m * 10.0**k for k in exponents for m in steps if low <= m * 10.0**k <= high]


def short(value: float) -> str:
    """A tick label: no more digits than it needs."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        mantissa, _, power = f"{value:.0e}".partition("e")
        return f"{mantissa}e{int(power)}".replace("-", "\N{MINUS SIGN}")
    return f"{value:,.6g}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Frame:
    """The rectangle inside a chart where data are drawn."""

    left: float
    top: float
    right: float
    bottom: float

    def bottom_axis(self, scale: Scale, at: Sequence[float], label: str, words: Sequence[str] = ()) -> Markup:
        """Grid, tick labels and the name with its unit below."""
        parts = [line(scale(v), self.top, scale(v), self.bottom, "grid") for v in at]
        named = words or [short(v) for v in at]
        parts += [text(scale(v), self.bottom + 15, w, "tick", "middle") for v, w in zip(at, named, strict=True)]
        parts.append(text((self.left + self.right) / 2, self.bottom + 31, label, "axis", "middle"))
        return Markup("").join(parts)

    def left_axis(self, scale: Scale, at: Sequence[float], label: str = "") -> Markup:
        """Grid and tick labels; the name stands above, upright."""
        parts = [line(self.left, scale(v), self.right, scale(v), "grid") for v in at]
        parts += [text(self.left - 6, scale(v) + 4, short(v), "tick", "end") for v in at]
        if label:
            parts.append(text(self.left - 6, self.top - 8, label, "axis", "start"))
        return Markup("").join(parts)
