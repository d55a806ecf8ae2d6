"""Between SQLite and its files, in this process: every write, sync and removal passes a watcher first.

    with file_layer(watcher):
        SpoolStore(path, …)          # the product as it is; what it does to its files is seen, refused, or our end

It is a VFS (https://www.sqlite.org/vfs.html) made with ctypes over the one of the very library that `sqlite3` uses:
files are opened by the library's own code, and only the methods that change them go through here.
"""

from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Kind = Literal["create", "write", "truncate", "sync", "delete"]

_OK = 0
_OPEN_CREATE = 0x00000004
_OPEN_WAL = 0x00080000
_OPEN_JOURNALS = 0x00000800 | 0x00004000 | _OPEN_WAL  # main and super-journals
_METHODS = (
    "close", "read", "write", "truncate", "sync", "file_size", "lock", "unlock", "check_reserved_lock", "file_control",
    "sector_size", "device_characteristics", "shm_map", "shm_lock", "shm_barrier", "shm_unmap", "fetch", "unfetch",
)  # fmt: skip
_VFS_METHODS = (
    "open", "delete", "access", "full_pathname", "dl_open", "dl_error", "dl_sym", "dl_close", "randomness", "sleep",
    "current_time", "get_last_error", "current_time_int64", "set_system_call", "get_system_call", "next_system_call",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One change that SQLite asks for. A `sync` of a journal that is new makes its name durable too (`names`)."""

    kind: Kind
    path: str
    offset: int = 0  # of a write; the new size of a truncate
    data: bytes = b""
    names: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that is not made: the SQLite error, and how much of a write is made all the same."""

    code: int
    written: int = 0


class Watcher(Protocol):
    """Sees a change before it is made, and after. Called on whatever thread SQLite works."""

    def before(self, change: Change, /) -> Refused | None:
        """Return None to let the change be made."""

    def after(self, change: Change, /) -> None:
        """The change was made."""


class _IoMethods(ctypes.Structure):
    _fields_ = [("version", ctypes.c_int), *((name, ctypes.c_void_p) for name in _METHODS)]


class _File(ctypes.Structure):
    _fields_ = [("methods", ctypes.POINTER(_IoMethods))]


class _Vfs(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int),
        ("file_octets", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in _VFS_METHODS),
    ]


_Open = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(_Vfs), ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
)
_Delete = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Vfs), ctypes.c_char_p, ctypes.c_int)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_Truncate = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


@dataclass(slots=True)
class _Opened:
    """An open file: its name, and the methods of the library."""

    path: str
    close: Any
    write: Any
    truncate: Any
    sync: Any
    nameless: bool  # a journal that was just made: its first sync makes its name durable


def library() -> ctypes.CDLL | None:
    """Return the SQLite library that `sqlite3` has loaded; None where it is not a library of its own."""
    sqlite3.connect(":memory:").close()
    for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
        if "libsqlite3.so" in line:
            return ctypes.CDLL(line.split(maxsplit=5)[5])
    return None


class _Layer:
    """A copy of the default VFS whose files report to `watcher`. Must live as long as the connections made over it."""

    def __init__(self, sqlite: ctypes.CDLL, watcher: Watcher) -> None:
        self._watcher = watcher
        self._files: dict[int, _Opened] = {}
        self._sqlite = sqlite
        sqlite.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._below = sqlite.sqlite3_vfs_find(None)
        self._below_open = _Open(self._below.contents.open)
        self._below_delete = _Delete(self._below.contents.delete)
        self._ours = _Vfs.from_buffer_copy(self._below.contents)
        self._ours.name = b"watched"
        self._callbacks = (_Open(self._open), _Delete(self._delete))
        self._ours.open, self._ours.delete = (ctypes.cast(one, ctypes.c_void_p) for one in self._callbacks)
        self._changing = (_Close(self._close), _Write(self._write), _Truncate(self._truncate), _Sync(self._sync))
        self._methods: dict[int, _IoMethods] = {}

    def install(self) -> None:
        self._sqlite.sqlite3_vfs_register(ctypes.byref(self._ours), 1)

    def remove(self) -> None:
        assert not self._files, "connections are open"
        self._sqlite.sqlite3_vfs_unregister(ctypes.byref(self._ours))
        self._sqlite.sqlite3_vfs_register(self._below, 1)

    def _open(self, _vfs: Any, name: int | None, file: int, flags: int, out_flags: Any) -> int:
        if name is None:  # a temporary file
            return int(self._below_open(self._below, name, file, flags, out_flags))
        path = ctypes.string_at(name).decode()
        creates = bool(flags & _OPEN_CREATE) and not Path(path).exists()
        if creates and (refused := self._watcher.before(Change("create", path))):
            ctypes.memset(file, 0, ctypes.sizeof(_File))
            return refused.code
        code = int(self._below_open(self._below, name, file, flags, out_flags))
        if code == _OK:
            self._watch(file, path, nameless=creates and bool(flags & _OPEN_JOURNALS))
            if creates:
                self._watcher.after(Change("create", path))
        return code

    def _watch(self, file: int, path: str, *, nameless: bool) -> None:
        head = ctypes.cast(file, ctypes.POINTER(_File)).contents
        theirs = head.methods.contents
        address = ctypes.addressof(theirs)
        if address not in self._methods:
            ours = _IoMethods.from_buffer_copy(theirs)
            ours.close, ours.write, ours.truncate, ours.sync = (
                ctypes.cast(one, ctypes.c_void_p) for one in self._changing
            )
            self._methods[address] = ours
        self._files[file] = _Opened(
            path,
            _Close(theirs.close),
            _Write(theirs.write),
            _Truncate(theirs.truncate),
            _Sync(theirs.sync),
            nameless,
        )
        head.methods = ctypes.pointer(self._methods[address])

    def _close(self, file: int) -> int:
        return int(self._files.pop(file).close(file))

    def _write(self, file: int, data: int, octets: int, offset: int) -> int:
        opened = self._files[file]
        change = Change("write", opened.path, offset, ctypes.string_at(data, octets))
        return self._pass(change, lambda most: opened.write(file, data, min(octets, most), offset), octets)

    def _truncate(self, file: int, size: int) -> int:
        opened = self._files[file]
        return self._pass(Change("truncate", opened.path, size), lambda _most: opened.truncate(file, size))

    def _sync(self, file: int, flags: int) -> int:
        opened = self._files[file]
        change = Change("sync", opened.path, names=opened.nameless)
        code = self._pass(change, lambda _most: opened.sync(file, flags))
        opened.nameless = opened.nameless and code != _OK
        return code

    def _delete(self, _vfs: Any, name: bytes, sync_directory: int) -> int:
        change = Change("delete", name.decode(), names=bool(sync_directory))
        return self._pass(change, lambda _most: self._below_delete(self._below, name, sync_directory))

    def _pass(self, change: Change, make: Callable[[int], int], octets: int = 0) -> int:
        if refused := self._watcher.before(change):
            if refused.written:
                make(refused.written)
            return refused.code
        code = make(octets)
        if code == _OK:
            self._watcher.after(change)
        return code


@contextmanager
def file_layer(watcher: Watcher) -> Iterator[None]:
    """Let every connection that is opened in the block report to `watcher`; all must be closed at its end."""
    sqlite = library()
    if sqlite is None:
        raise RuntimeError("this Python has SQLite built in: its files cannot be watched")
    layer = _Layer(sqlite, watcher)
    layer.install()
    try:
        yield
    finally:
        layer.remove()
