"""A disk that remembers every write and sync, and breaks when a test wants it to.

It stands below SQLite as the default file system of the process, so the product
opens its files as always.
"""

import contextlib
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple, Self

import apsw


class Written(NamedTuple):
    file: str
    offset: int
    data: bytes


class Cut(NamedTuple):
    """The file was given this size."""

    file: str
    size: int


class Made(NamedTuple):
    """The file is there, if it was not before."""

    file: str


class Removed(NamedTuple):
    file: str


class Synced(NamedTuple):
    """What was written to the file is on the disk; with ``folder``, its name as well."""

    file: str
    folder: bool = False


class Told(NamedTuple):
    """Something that is not the disk's: it tells when it was, between which writes."""

    what: object


Event = Written | Cut | Made | Removed | Synced | Told

STORE = "sessions.db"
FLAKINESS = 0.15

_NUMBERS = count()
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class Disk(apsw.VFS):
    """The files of SQLite below a folder. Nothing is really synced: tests need not wait for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.recording = True
        self.lying = False
        self.room: int | None = None
        self.broken: set[str] = set()
        self.flaky: random.Random | None = None
        super().__init__(f"faulty-disk-{next(_NUMBERS)}", "unix", makedefault=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def note(self, event: Event) -> None:
        """Remember an event."""
        if self.recording:
            self.events.append(event)

    def tell(self, what: object) -> None:
        """Remember something that is no write."""
        self.note(Told(what))

    def fail(self, call: str) -> None:
        """Raise what the call is to fail with."""
        if call in self.broken or (self.flaky is not None and self.flaky.random() < FLAKINESS):
            raise apsw.IOError(f"{call}: the disk is broken")

    def xOpen(  # noqa: N802  # SQLite's name
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> apsw.VFSFile:
        """Open a file; those elsewhere, and nameless ones, are left alone."""
        self.fail("open")
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None or Path(path).parent != self.folder:
            return apsw.VFSFile("unix", name, flags)
        return _File(self, Path(path), name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: N802  # SQLite's name
        """Delete a file."""
        super().xDelete(name, sync_folder)
        if Path(name).parent == self.folder:
            self.note(Removed(Path(name).name))
            if sync_folder:
                self.note(Synced("", folder=True))


class _File(apsw.VFSFile):
    def __init__(
        self, disk: Disk, path: Path, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        new = not path.exists()
        super().__init__("unix", name, flags)
        self._disk, self._name = disk, path.name
        self._names_its_folder = new and bool(flags[0] & _JOURNALS)
        disk.note(Made(path.name))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        disk = self._disk
        try:
            disk.fail("write")
        except apsw.IOError:
            self._write(data[: len(data) // 2], offset)
            raise
        if disk.room is not None and offset + len(data) > disk.room:
            raise apsw.FullError("the disk is full")
        self._write(data, offset)

    def _write(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._disk.note(Written(self._name, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802  # SQLite's name
        self._disk.fail("truncate")
        super().xTruncate(size)
        self._disk.note(Cut(self._name, size))

    def xSync(self, _: int) -> None:  # noqa: N802  # SQLite's name
        self._disk.fail("sync")
        if not self._disk.lying:
            self._disk.note(Synced(self._name, folder=self._names_its_folder))
            self._names_its_folder = False


@contextlib.contextmanager
def settings(**kept: int | str) -> Iterator[None]:
    """Let connections keep these settings, whatever is asked of them."""

    def authorize(operation: int, name: str | None, value: str | None, *_: object) -> int:
        asked = operation == apsw.SQLITE_PRAGMA and value is not None and name in kept
        return apsw.SQLITE_IGNORE if asked else apsw.SQLITE_OK

    def hook(connection: apsw.Connection) -> None:
        for name, value in kept.items():
            connection.execute(f"PRAGMA {name} = {value}").fetchall()
        connection.authorizer = authorize

    apsw.connection_hooks.append(hook)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(hook)
