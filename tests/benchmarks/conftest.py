"""Collect the figures of the benchmarks and print them as one table at the end of the run."""

from __future__ import annotations

import pytest

from tests.benchmarks.figures import Figures

TABLE = pytest.StashKey[Figures]()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """The table that the figures of this run go into."""
    return pytestconfig.stash.setdefault(TABLE, Figures())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    measured = config.stash.get(TABLE, None)
    if measured is not None:
        terminalreporter.section("figures")
        for line in measured.lines():
            terminalreporter.write_line(line)
