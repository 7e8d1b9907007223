"""What the system's clock was set by between two runs of a store.

A running service counts time by a clock that nobody can set. The next run
begins with what the system's clock shows then; where that was set meanwhile,
every instant in the file is moved by as much. So a code lives as long as it
should, and not an hour more or less.
"""

from datetime import datetime, timedelta
from typing import cast

import apsw
import msgspec
import structlog

from kaskad.app.ports import Timebase

log = structlog.get_logger()

NOTICED = timedelta(seconds=1)
"""A smaller step is the usual correction of a clock and not worth the writing."""

_encode = msgspec.msgpack.encode
_decode_timebase = msgspec.msgpack.Decoder(Timebase).decode


def carry_over(db: apsw.Connection, key: int, now: Timebase) -> None:
    """Move the file's instants to this run's time, and keep what that is under the key.

    Whether the clock was set cannot be told once the machine was started again:
    then nothing is moved.
    """
    found = db.execute("SELECT data FROM records WHERE key = ?", (key,)).fetchall()
    before = _decode_timebase(cast(bytes, found[0][0])) if found else now
    step = timedelta(seconds=now.epoch - before.epoch)
    moved = before.boot == now.boot and abs(step) >= NOTICED
    with db:
        if moved:
            log.warning("the clock was set", seconds=round(step.total_seconds(), 1))
            _move(db, step)
        if moved or before.boot != now.boot or not found:
            db.execute("INSERT OR REPLACE INTO records VALUES (?, ?)", (key, _encode(now)))


def _move(db: apsw.Connection, step: timedelta) -> None:
    for key, data in db.execute("SELECT key, data FROM records").fetchall():
        moved = _encode(_moved(msgspec.msgpack.decode(cast(bytes, data)), step))
        db.execute("UPDATE records SET data = ? WHERE key = ?", (moved, key))


def _moved(value: object, step: timedelta) -> object:
    match value:
        case datetime():
            return value + step
        case list():
            return [_moved(item, step) for item in value]
        case dict():
            return {name: _moved(item, step) for name, item in value.items()}
        case _:
            return value
