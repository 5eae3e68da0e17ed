"""How a network was tuned in integers, as the report says it."""

from __future__ import annotations

from seamount.compiler.ir.tuned import Goal, Score, Tuning
from seamount.compiler.report.numbers import percent, plural

_GOALS = {
    Goal.LABELS: "labels, and what the float network answers",
    Goal.DISTILLATION: "what the float network answers, without labels",
}


def tuning_rows(tuning: Tuning | None) -> tuple[tuple[str, str], ...]:
    """Names and values; empty for a network that was not tuned."""
    if tuning is None:
        return ()
    bits = "".join(f", {name} {n}" for name, n in tuning.layer_bits.items())
    held = plural(tuning.validation, "sample")
    if tuning.score is Score.ACCURACY:
        reached = f"{percent(tuning.before)} untuned, {percent(tuning.after)} tuned, on {held} held out"
        score = ("accuracy in integers", reached)
    else:
        score = ("loss in integers", f"{-tuning.before:.4f} untuned, {-tuning.after:.4f} tuned, on {held} held out")
    return (
        ("weight bits", f"{tuning.weight_bits}{' (ternary)' if tuning.ternary else ''}{bits}"),
        ("towards", _GOALS[tuning.goal]),
        ("learned", ", ".join(tuning.learned)),
        ("data", f"{plural(tuning.samples, 'sample')} of {tuning.data}"),
        ("epochs", f"{tuning.epochs}, of which number {tuning.best} was kept (0: untuned)"),
        ("seed", str(tuning.seed)),
        score,
        ("integers", "those that tuning saw: scales and grids are kept with the network"),
    )
