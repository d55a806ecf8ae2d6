"""`python -m metersim` is `metersim`."""

from metersim.cli import entry

entry()
