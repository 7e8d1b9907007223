"""How far a file has come, kept in it and beside it: so an older copy of the file is noticed.

Each transaction counts one up and writes the number with its rows; after that it
is put into the lock file. A crash in between leaves the file ahead, never behind.
A file that is behind has been replaced by an older copy: by a restored backup.
"""

import os
from typing import IO, cast

import apsw
import msgspec

_WIDTH = 20

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(int).decode


class Progress:
    """The number of the newest transaction, as the file knows it and as the lock file does."""

    def __init__(self, db: apsw.Connection, key: int, lock: IO[bytes]) -> None:
        self._key = key
        self._lock = lock.fileno()
        found = db.execute("SELECT data FROM records WHERE key = ?", (key,)).fetchall()
        here = _decode(cast(bytes, found[0][0])) if found else 0
        beside = os.pread(self._lock, _WIDTH, 0)
        known = int(beside) if beside.isdigit() else 0
        self.is_behind = here < known
        """Whether the file is an older copy of what was here before."""
        self._number = max(here, known)

    def row(self) -> tuple[int, bytes]:
        """What the next transaction writes with its rows."""
        self._number += 1
        return self._key, _encode(self._number)

    def written(self) -> None:
        """The transaction is durable."""
        os.pwrite(self._lock, b"%0*d" % (_WIDTH, self._number), 0)
