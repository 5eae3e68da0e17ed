"""Attributed points against the measured loss, on shipped networks at 8, 4, 3 and 2 bits.

python -m benchmarks.blame_sums MODEL DATA [LIMIT]
"""

from __future__ import annotations

import sys
import time

import seamount


def main(model: str, data: str, limit: int | None) -> None:
    """Print a line per width: the loss, the sum of the stages, of all costs alone, and of all gains."""
    for bits in (8, 4, 3, 2):
        begin = time.perf_counter()
        source = seamount.DataSource(data, limit=limit)
        found = seamount.blame(model, source, weight_bits=bits, remedies=False, progress=False)
        sums = (
            sum(d.mean for d in found.stages.values()),
            sum(s.cost.mean for s in found.shares),
            sum(s.gain.mean for s in found.shares),
        )
        first = "none certain" if found.first is None else str(found.first.cause)
        print(
            f"{bits} bits: lost {found.loss.mean:.2f} ± {found.loss.half_width:.2f} on {found.loss.samples}; stages "
            f"{sums[0]:.2f}, alone {sums[1]:.2f}, mending {sums[2]:.2f}; first: {first}; {found.differing} of "
            f"{found.compared} answers differ from float; {time.perf_counter() - begin:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else None)
