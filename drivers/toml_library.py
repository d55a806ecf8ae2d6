"""TOML files that are chosen by name: profiles, register maps, message formats; shipped ones and those of the user."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from drivers.errors import UsageError

SHIPPED = Path(__file__).resolve().parents[1] / "firmware_profiles"  # beside `drivers`, in a checkout and in a wheel
T = TypeVar("T")


class Library(Generic[T]):
    """The files of one kind in some directories. Each is read when it is needed, and once."""

    def __init__(
        self, what: str, load: Callable[[Path], T], extra_dirs: Iterable[Path] = (), *, folder: str = ""
    ) -> None:
        """Find the files of the shipped directory and of `extra_dirs`, in the `folder` of each that has one.

        Raises `UsageError` for a directory that cannot be read, or for a name that exists twice.
        """
        self._what = what
        self._load = load
        self._paths: dict[str, Path] = {}
        self._loaded: dict[str, T] = {}
        for directory in (SHIPPED, *extra_dirs):
            for path in self._files(directory / folder, optional=bool(folder)):
                if other := self._paths.get(path.stem):
                    raise UsageError(
                        f"the {what} {path.stem} exists twice: {other} and {path}", advice="rename one, file and `name`"
                    )
                self._paths[path.stem] = path

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted; no file is read for it."""
        return tuple(sorted(self._paths))

    def __iter__(self) -> Iterator[T]:
        return map(self.find, self.names)

    def path_of(self, name: str) -> Path | None:
        """Return the file of that name, if there is one."""
        return self._paths.get(name)

    def find(self, name: str) -> T:
        """Return what is called `name`. Raises `UsageError` with the names that exist, the nearest first."""
        if name not in self._paths:
            near = difflib.get_close_matches(name.lower(), self.names, n=3, cutoff=0.4)
            guess = f"did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"no {self._what} is called {name!r}", advice=f"{guess}known: {', '.join(self.names)}")
        if name not in self._loaded:
            self._loaded[name] = self._load(self._paths[name])
        return self._loaded[name]

    def _files(self, directory: Path, *, optional: bool) -> list[Path]:
        try:
            if optional and not directory.is_dir():
                return []
            return sorted(path for path in directory.iterdir() if path.suffix == ".toml")
        except OSError as error:
            raise UsageError(f"{self._what} directory {directory} cannot be read: {error.strerror}") from error
