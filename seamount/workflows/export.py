"""An artifact as a folder for Lava."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seamount.backends.lava.export import export_lava as export
from seamount.compiler.artifact import Artifact
from seamount.compiler.program.needs import ChipNeed, chip_needs
from seamount.compiler.program.verify import check as check_program
from seamount.results.blocks import Block, Shown
from seamount.workflows.artifact import load_artifact


@dataclass(frozen=True, repr=False)
class Exported(Shown):
    """A folder that runs in Lava without Seamount. needs: what a chip needs beyond a stock neuron."""

    folder: Path
    needs: tuple[ChipNeed, ...]

    def blocks(self) -> Iterator[Block]:
        for need in self.needs:
            yield f"note: on a chip, {need.where}: {need.what}"
        yield f"exported: {self.folder}; check it with 'python network.py' in Lava's Python"

    def to_dict(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "needs": [{"where": n.where, "what": n.what} for n in self.needs]}


def export_lava(
    artifact: Artifact | str | os.PathLike[str], folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Exported:
    """Write a folder that runs in Lava without Seamount: data, one script, requirements, README.

    overwrite: replace an exported folder that exists. Raises InputError for a place that cannot be used.

    Example:
        seamount.export_lava(artifact, "for-lava")
    """
    loaded = load_artifact(artifact) if isinstance(artifact, str | os.PathLike) else artifact
    check_program(loaded.program)
    export(loaded, Path(folder), overwrite=overwrite)
    return Exported(Path(folder), tuple(chip_needs(loaded.program)))
