"""Seamount compiles trained spiking neural networks to Intel Loihi's integers, exactly, or says why not."""

from __future__ import annotations

from seamount.compiler.version import __version__

__all__ = ["__version__"]
