"""Which tests call which function, and how long each takes: a pytest plug-in that writes it down.

Call it through `python -m tests.mutation record`. A trace function that is told of calls only costs little.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest


class Recorder:
    """Functions of `files` that each test calls. root: the folder that paths are relative to."""

    def __init__(self, root: Path, files: frozenset[str]) -> None:
        self.root = f"{root}/"
        self.files = files
        self.called: set[tuple[str, str]] = set()
        self.tests: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def trace(self, frame: FrameType, event: str, argument: object) -> None:
        """Note the outermost function of what is called; the lines of it are not traced."""
        code = frame.f_code
        path = code.co_filename.removeprefix(self.root)
        if path in self.files:
            self.called.add((path, code.co_qualname.split(".<locals>")[0]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace set-up, call and tear-down of a test."""
        self.called = set()
        began = time.perf_counter()
        sys.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            self.seconds[item.nodeid] = round(time.perf_counter() - began, 3)
            for function in self.called:
                self.tests[function].add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tests that fail or are skipped without any mutant are of no use."""
        if not report.passed:
            self.failed.add(report.nodeid)

    def write(self, path: Path) -> None:
        """{"seconds": test -> s, "tests": "file:function" -> tests}, without those that fail."""
        useful = {name: s for name, s in self.seconds.items() if name not in self.failed}
        tests = {":".join(f): sorted(t & useful.keys()) for f, t in sorted(self.tests.items())}
        path.write_text(json.dumps({"seconds": useful, "tests": tests}, indent=1), encoding="utf-8")
