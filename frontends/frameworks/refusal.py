"""Why a class of a framework is not carried over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """The cause, and what helps; without a remedy of its own, the framework's neurons are named."""

    found: str
    remedy: str = ""
