"""Where the sessions of a test live: in memory, or in a file that survives its process."""

import shutil
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Protocol

from kaskad.app.ports import Store
from kaskad.stores.memory import MemoryStore
from kaskad.stores.sqlite import SqliteStore

Now = Callable[[], datetime]


class Place(Protocol):
    """Somewhere to keep sessions. Every :meth:`open` after the first is a restart."""

    async def open(self, now: Now) -> Store:
        """The store, with everything that was made durable before."""

    async def close(self, *, killed: bool) -> None:
        """The process ends, in order or not."""

    def remove(self) -> None:
        """Leave nothing behind."""


class Memory:
    """A store that one process has for as long as it lives: its restarts are of the node only."""

    def __init__(self) -> None:
        self._store: Store | None = None

    async def open(self, now: Now) -> Store:
        if self._store is None:
            self._store = MemoryStore(now)
        return self._store

    async def close(self, *, killed: bool) -> None:
        pass

    def remove(self) -> None:
        self._store = None


class Files:
    """SQLite stores, each in a file of its own; the empty one is made once and copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    async def prepare(self, now: Now) -> None:
        """Make the file that every new one is a copy of."""
        if not self.template.exists():
            made = await SqliteStore.open(self.template, now)
            await made.close()

    @property
    def template(self) -> Path:
        return self._folder / "empty.db"

    def new_path(self) -> Path:
        return self._folder / f"sessions-{next(self._numbers)}.db"


class OneFile:
    """One of these files, through all its restarts."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._path: Path | None = None
        self._store: Store | None = None

    async def open(self, now: Now) -> Store:
        if self._path is None:
            await self._files.prepare(now)
            self._path = self._files.new_path()
            shutil.copy(self._files.template, self._path)
        self._store = await SqliteStore.open(self._path, now)
        return self._store

    async def close(self, *, killed: bool) -> None:
        """When killed, what lies on the disk goes on, with a log that nobody has folded in."""
        assert self._path is not None
        assert self._store is not None
        left = self._path
        if killed:
            self._path = self._files.new_path()
            for suffix in ("", "-wal"):
                shutil.copy(f"{left}{suffix}", f"{self._path}{suffix}")
        await self._store.close()
        if killed:
            _remove(left)

    def remove(self) -> None:
        assert self._path is not None
        _remove(self._path)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
