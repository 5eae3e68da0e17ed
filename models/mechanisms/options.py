"""What the commands that run paired seeds are asked for."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence

import torch


def parser(prog: str, text: str | None, metavar: str, known: Collection[str], seeds: int) -> argparse.ArgumentParser:
    """Options of such a command; seeds: how many without --seeds."""
    made = argparse.ArgumentParser(prog=prog, description=text)
    made.add_argument("names", nargs="*", metavar=metavar, help=f"of {', '.join(known)}; default: all")
    made.add_argument("--seeds", type=int, default=seeds, help=f"paired seeds, from 0 (default {seeds})")
    made.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    return made


def parsed(asked: argparse.ArgumentParser, words: Sequence[str] | None, known: Collection[str]) -> argparse.Namespace:
    """The options, checked; torch gets its threads. Ends the program where they cannot be used."""
    options = asked.parse_args(words)
    unknown = [name for name in options.names if name not in known]
    if unknown or options.seeds < 1 or options.threads < 1:
        asked.error(f"unknown: {', '.join(unknown)}" if unknown else "--seeds and --threads must be at least 1")
    torch.set_num_threads(options.threads)
    return options
