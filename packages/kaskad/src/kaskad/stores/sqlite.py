"""The embedded store: live sessions in memory, every change in SQLite before it counts.

Durability: WAL with ``synchronous=FULL``, one connection on one thread that
writes and checkpoints, and group commit. Nothing that is not on the disk yet is
ever shown: a session with a write under way is read when that has ended.
"""

import asyncio
import contextlib
import fcntl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Self

import apsw
import msgspec

from kaskad.app.ports import (
    Change,
    Committed,
    Job,
    Remembered,
    StoreUnavailableError,
    Verdict,
)
from kaskad.core.effects import DropJob, PushJob, Take
from kaskad.core.limits import Window
from kaskad.core.model import Session
from kaskad.stores._embedded import EmbeddedStore
from kaskad.stores._live import Reservation, job_of, longest
from kaskad.stores._writer import Statement, Writer, WriterFullError

APPLICATION_ID = 0x6B61736B  # "kask"
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE sessions (n INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE jobs (session INTEGER, launch INTEGER, data BLOB NOT NULL,
                   PRIMARY KEY (session, launch)) WITHOUT ROWID;
CREATE TABLE hits (span INTEGER, at INTEGER, n INTEGER, subject TEXT NOT NULL,
                   PRIMARY KEY (span, at, n)) WITHOUT ROWID;
CREATE TABLE answers (key BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE beat (n INTEGER PRIMARY KEY, at INTEGER NOT NULL);
"""

_PUT_SESSION = (
    "INSERT INTO sessions VALUES (?, ?) ON CONFLICT (n) DO UPDATE SET data = excluded.data"
)
_DROP_SESSION = "DELETE FROM sessions WHERE n = ?"
_PUT_JOB = "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)"
_DROP_JOB = "DELETE FROM jobs WHERE session = ? AND launch = ?"
_DROP_JOBS = "DELETE FROM jobs WHERE session = ?"
_HIT = "INSERT INTO hits VALUES (?, ?, ?, ?)"
_FORGET_HITS = "DELETE FROM hits WHERE span = ? AND at <= ?"
_PUT_ANSWER = "INSERT OR REPLACE INTO answers VALUES (?, ?)"
_DROP_ANSWER = "DELETE FROM answers WHERE key = ?"
_BEAT = "INSERT OR REPLACE INTO beat VALUES (1, ?)"

_encode = msgspec.msgpack.Encoder().encode
_decode_session = msgspec.msgpack.Decoder(Session).decode
_decode_answer = msgspec.msgpack.Decoder(Remembered).decode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class StoreInUseError(Exception):
    """Another process has the file: an embedded store belongs to one."""


class ForeignFileError(Exception):
    """The file is not a session store, or one of a newer version."""


class SqliteStore(EmbeddedStore):
    """:class:`kaskad.app.ports.Store` on one file of which this process is the owner."""

    def __init__(self, now: Callable[[], datetime], path: Path, lock: IO[bytes]) -> None:
        super().__init__(now)
        self._now = now
        self._path = path
        self._lock = lock
        self._numbers: dict[str, int] = {}
        self._writing: dict[str, asyncio.Future[BaseException | None]] = {}
        self._spans: set[int] = set()
        self._unforgotten: list[Statement] = []
        self._hit_order = count()
        self._db = _connect(path)
        self._next_number = self._load()
        self._writer = Writer(self._db, asyncio.get_running_loop())

    @classmethod
    async def open(cls, path: Path, now: Callable[[], datetime]) -> Self:
        """Take the file, make it if need be, and read what is live.

        Raises :class:`StoreInUseError`, :class:`ForeignFileError` or :class:`OSError`.
        """
        lock = _take_lock(path)
        try:
            return cls(now, path, lock)
        except BaseException:
            lock.close()
            raise

    # --- reading it back -----------------------------------------------------------

    def _load(self) -> int:
        highest_number = 0
        for n, data in self._db.execute("SELECT n, data FROM sessions"):
            session = _decode_session(data)
            highest_number = max(highest_number, n)
            self._numbers[session.id] = n
            self._live.put_session(session)
        jobs = self._db.execute("SELECT data FROM jobs")
        for (data,) in jobs:
            self._live.put_job(msgspec.msgpack.decode(data, type=Job))
        highest_hit = 0
        for span, at, n, subject in self._db.execute("SELECT * FROM hits ORDER BY at"):
            highest_hit = max(highest_hit, n)
            self._spans.add(span)
            window = Window(limit=0, span=timedelta(seconds=span))
            self._live.hit(subject, (window,), _EPOCH + at * _MICROSECOND)
        for (data,) in self._db.execute("SELECT data FROM answers"):
            self._live.keep(_decode_answer(data))
        self._hit_order = count(highest_hit + 1)
        return highest_number + 1

    # --- changing ------------------------------------------------------------------

    async def load(self, session_id: str) -> Session | None:
        """The session, once what is being written of it is durable."""
        await self._settled(session_id)
        return self._live.sessions.get(session_id)

    async def _settled(self, session_id: str) -> None:
        while (writing := self._writing.get(session_id)) is not None:
            await asyncio.shield(writing)

    async def commit(self, change: Change) -> Verdict:
        """Apply a change once it is on the disk."""
        await self._settled(change.session.id)
        held = self._live.reserve(change)
        if not isinstance(held, Reservation):
            return held
        future: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        statements, number = self._statements(held)
        self._writing[change.session.id] = future
        self._submit(statements, partial(self._committed, held, number, future))
        failure = await asyncio.shield(future)
        if failure is not None:
            raise StoreUnavailableError(str(failure)) from failure
        return Committed()

    def _submit(
        self, statements: Sequence[Statement], done: Callable[[BaseException | None], None]
    ) -> None:
        try:
            self._writer.submit(statements, done)
        except WriterFullError as failure:
            done(failure)

    def _committed(
        self,
        held: Reservation,
        number: int,
        future: asyncio.Future[BaseException | None],
        failure: BaseException | None,
    ) -> None:
        """The end of a write. Runs even when whoever asked has gone meanwhile."""
        session_id = held.change.session.id
        del self._writing[session_id]
        if failure is None:
            self._numbers[session_id] = number
            self._live.settle(held)
        else:
            self._live.undo(held)
        if not future.done():
            future.set_result(failure)

    def _statements(self, held: Reservation) -> tuple[list[Statement], int]:
        change = held.change
        number = self._numbers.get(change.session.id)
        if number is None:
            number = self._next_number
            self._next_number += 1
        statements: list[Statement] = [(_PUT_SESSION, (number, _encode(change.session)))]
        for effect in change.effects:
            match effect:
                case PushJob():
                    data = _encode(job_of(effect))
                    statements.append((_PUT_JOB, (number, effect.launch, data)))
                case DropJob():
                    statements.append((_DROP_JOB, (number, effect.launch)))
                case Take():
                    pass
        statements += [self._hit(take.subject, take.windows, held.at) for take in held.takes]
        if change.remember is not None:
            statements.append((_PUT_ANSWER, (change.remember.key, _encode(change.remember))))
        return statements, number

    def _hit(self, subject: str, windows: Sequence[Window], at: datetime) -> Statement:
        span = int(longest(windows).total_seconds())
        self._spans.add(span)
        return _HIT, (span, _micros(at), next(self._hit_order), subject)

    async def take(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """Count a hit if there is room, durably."""
        wait = await super().take(subject, windows, now)
        if wait is None:
            try:
                await self._write([self._hit(subject, windows, now)])
            except StoreUnavailableError:
                self._live.unhit(subject, now)
                raise
        return wait

    async def remembered(self, key: bytes, now: datetime) -> Remembered | None:
        """What a key answered, once the call that holds it has been answered."""
        holder = self._live.keys_held.get(key)
        if holder is not None:
            await self._settled(holder)
        return self._live.remembered(key, now)

    async def _write(self, statements: Sequence[Statement]) -> None:
        future: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def done(failure: BaseException | None) -> None:
            if not future.done():
                future.set_result(failure)

        self._submit(statements, done)
        failure = await asyncio.shield(future)
        if failure is not None:
            raise StoreUnavailableError(str(failure)) from failure

    # --- cleaning ------------------------------------------------------------------

    async def purge(self, now: datetime) -> int:
        """Forget what no rule needs, in memory and in the file."""
        purged = self._live.purge(now)
        statements: list[Statement] = []
        for session_id in purged.sessions:
            number = self._numbers.pop(session_id)
            statements += [(_DROP_SESSION, (number,)), (_DROP_JOBS, (number,))]
        statements += [(_DROP_ANSWER, (key,)) for key in purged.keys]
        for span in self._spans if purged.subjects else ():
            statements.append((_FORGET_HITS, (span, _micros(now - timedelta(seconds=span)))))
        self._unforgotten += statements
        if self._unforgotten:
            statements, self._unforgotten = self._unforgotten, []
            try:
                await self._write(statements)
            except StoreUnavailableError:
                self._unforgotten = statements
                raise
        return purged.records

    async def check(self) -> None:
        """Write something."""
        await self._write([(_BEAT, (_micros(self._now()),))])

    async def close(self) -> None:
        """Write what is queued, then let the file go."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._db.close)
        self._lock.close()


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


# --- the file ----------------------------------------------------------------------


def _take_lock(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(path.name + ".lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as refused:
        lock.close()
        message = f"{path} is in use by another kaskad process"
        raise StoreInUseError(message) from refused
    return lock


def _connect(path: Path) -> apsw.Connection:
    try:
        db = apsw.Connection(str(path), statementcachesize=64)
        _prepare(db, path)
    except apsw.NotADBError as failure:
        raise ForeignFileError(f"{path} is not a session store of kaskad") from failure
    except apsw.Error as failure:
        raise OSError(f"{path} cannot be opened: {failure}") from failure
    return db


def _prepare(db: apsw.Connection, path: Path) -> None:
    db.set_busy_timeout(5000)
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 4000").fetchall()
    application = db.execute("PRAGMA application_id").fetchall()[0][0]
    version = db.execute("PRAGMA user_version").fetchall()[0][0]
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
    if application == 0 and version == 0 and tables == 0:
        db.execute(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
        )
    elif application != APPLICATION_ID:
        raise ForeignFileError(f"{path} is not a session store of kaskad")
    elif version != SCHEMA_VERSION:
        raise ForeignFileError(f"{path} belongs to another version of kaskad (schema {version})")


def read_session(path: Path, session_id: str) -> Session | None:
    """Look a session up in the file of a store that may be running; writes nothing."""
    if not path.exists():
        return None
    db = apsw.Connection(
        f"file:{path}?mode=ro", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
    with contextlib.closing(db):
        db.set_busy_timeout(5000)
        likely = "SELECT data FROM sessions WHERE instr(data, ?)"
        for (data,) in db.execute(likely, (session_id.encode(),)):
            session = _decode_session(data)
            if session.id == session_id:
                return session
    return None
