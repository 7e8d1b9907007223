"""The embedded store: live sessions in memory, every change in SQLite before it counts.

Durability: WAL with ``synchronous=FULL``, one connection on one thread that
writes and checkpoints, and group commit. Nothing that is not on the disk yet is
ever shown: a session with a write under way is read when that has ended.
"""

import asyncio
import fcntl
import os
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Self, cast

import apsw
import msgspec
import structlog

from kaskad.app.ports import (
    Change,
    Committed,
    DeadLetter,
    Remembered,
    StoreUnavailableError,
    Timebase,
    Verdict,
)
from kaskad.core.limits import DAY, HOUR, MINUTE, Window
from kaskad.core.model import Session
from kaskad.core.session import close_restored, pending_job
from kaskad.stores._embedded import EmbeddedStore
from kaskad.stores._keys import (
    ANSWER,
    BEAT,
    FIRST_HIT,
    LARGEST_NUMBER,
    LETTER,
    NUMBER_BITS,
    PROGRESS_KEY,
    SESSION,
    TIMEBASE_KEY,
    all_of,
    key_of,
)
from kaskad.stores._live import Reservation, job_of, longest
from kaskad.stores._progress import Progress
from kaskad.stores._timebase import carry_over
from kaskad.stores._writer import SCHEMA, Done, Row, Statement, Writer, WriterFullError

log = structlog.get_logger()

APPLICATION_ID = 0x6B61736B  # "kask"
SCHEMA_VERSION = 2

_DROP = "DELETE FROM records WHERE key = ?"
_DROP_RANGE = "DELETE FROM records WHERE key BETWEEN ? AND ?"

_SPANS = (MINUTE, HOUR, DAY)

_encode = msgspec.msgpack.Encoder().encode
_decode_session = msgspec.msgpack.Decoder(Session).decode
_decode_answer = msgspec.msgpack.Decoder(Remembered).decode

_decode_letter = msgspec.msgpack.Decoder(DeadLetter).decode
_decode_hit = msgspec.msgpack.Decoder(tuple[str, datetime]).decode

_COMMITTED = Committed()
_A_SECOND = timedelta(seconds=1)
_CLOCK_SET_BACK = timedelta(seconds=30)


class StoreInUseError(Exception):
    """Another process has the file: an embedded store belongs to one."""


class ForeignFileError(Exception):
    """The file is not a session store, or one of a newer version."""


class SqliteStore(EmbeddedStore):
    """:class:`kaskad.app.ports.Store` on one file of which this process is the owner."""

    def __init__(
        self,
        now: Callable[[], datetime],
        path: Path,
        lock: IO[bytes],
        timebase: Timebase | None = None,
    ) -> None:
        super().__init__(now)
        self._now = now
        self._path = path
        self._lock = lock
        self._numbers: dict[str, int] = {}
        self._writing: dict[str, list[asyncio.Future[None]]] = {}
        self._answers: dict[bytes, int] = {}
        self._next: dict[int, int] = {}
        self._hit_marks: dict[int, deque[tuple[datetime, int]]] = {}
        self._unforgotten: list[Statement] = []
        self._db = _connect(path)
        if timebase is not None:
            carry_over(self._db, TIMEBASE_KEY, timebase)
        progress = self._load()
        self._writer = Writer(self._db, asyncio.get_running_loop(), progress)

    @classmethod
    async def open(
        cls, path: Path, now: Callable[[], datetime], timebase: Timebase | None = None
    ) -> Self:
        """Take the file, make it if need be, and read what is live.

        With a ``timebase`` the file follows the system's clock from run to run.
        Raises :class:`StoreInUseError`, :class:`ForeignFileError` or :class:`OSError`.
        """
        lock = _take_lock(path)
        try:
            return cls(now, path, lock, timebase)
        except (apsw.Error, msgspec.MsgspecError) as failure:  # it is damaged inside
            lock.close()
            raise OSError(f"{path} cannot be read: {failure}") from failure
        except BaseException:
            lock.close()
            raise

    # --- reading it back -----------------------------------------------------------

    def _close_all(self, progress: Progress) -> None:
        """Close the sessions of an older copy: nobody knows what has been spent since."""
        rows = self._db.execute(
            "SELECT key, data FROM records WHERE key BETWEEN ? AND ?", all_of(SESSION)
        )
        closed = [
            (key, _encode(close_restored(_decode_session(cast(bytes, data)), self._now())))
            for key, data in rows.fetchall()
        ]
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO records VALUES (?, ?)", [*closed, progress.row()]
            )
        progress.written()
        log.warning(
            "the session file is an older copy: its sessions are closed", number=len(closed)
        )

    def _load(self) -> Progress:
        progress = Progress(self._db, PROGRESS_KEY, self._lock)
        if progress.is_behind:
            self._close_all(progress)
        for key, data in self._db.execute("SELECT key, data FROM records ORDER BY key"):
            kind, number = key >> NUMBER_BITS, key & LARGEST_NUMBER
            self._next[kind] = number + 1
            match kind:
                case _ if kind == SESSION:
                    self._load_session(number, data)
                case _ if kind == ANSWER:
                    answer = _decode_answer(data)
                    self._answers[answer.key] = key
                    self._live.keep(answer)
                case _ if kind == LETTER:
                    self._letters.add(number, _decode_letter(data))
                case _ if kind >= FIRST_HIT:
                    subject, at = _decode_hit(data)
                    at = min(at, self._now())
                    window = Window(limit=0, span=_SPANS[kind - FIRST_HIT])
                    self._live.hit(subject, (window,), at)
                    self._mark_hit(kind, at, number)
        return progress

    def _load_session(self, number: int, data: bytes) -> None:
        session = _decode_session(data)
        if session.timeline[-1].at > self._now() + _CLOCK_SET_BACK:
            # The clock was set back while nobody ran: this session's codes would live too long.
            self._unforgotten.append((_DROP, (key_of(SESSION, number),)))
            return
        self._numbers[session.id] = number
        self._live.put_session(session)
        for effect in pending_job(session):
            self._live.put_job(msgspec.structs.replace(job_of(effect), doubtful=True))

    def _new_key(self, kind: int) -> int:
        number = self._next.get(kind, 1)
        self._next[kind] = number + 1
        return key_of(kind, number)

    # --- changing ------------------------------------------------------------------

    async def load(self, session_id: str) -> Session | None:
        """The session, once what is being written of it is durable."""
        if session_id in self._writing:
            await self._settled(session_id)
        return self._live.sessions.get(session_id)

    async def _settled(self, session_id: str) -> None:
        """Wait until nothing is being written of a session."""
        while (waiting := self._writing.get(session_id)) is not None:
            over = asyncio.get_running_loop().create_future()
            waiting.append(over)
            await over

    async def commit(self, change: Change) -> Verdict:
        """Apply a change once it is on the disk."""
        session_id = change.session.id
        if session_id in self._writing:
            await self._settled(session_id)
        held = self._live.reserve(change)
        if not isinstance(held, Reservation):
            return held
        try:
            rows = self._rows(held)
        except BaseException:
            self._live.undo(held)
            raise
        self._writing[session_id] = []
        future: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._submit(rows, partial(self._committed, held, rows, future))
        failure = await future
        if failure is not None:
            raise StoreUnavailableError(str(failure)) from failure
        return _COMMITTED

    def _submit(self, rows: Sequence[Row], done: Done, drops: Sequence[Statement] = ()) -> None:
        try:
            self._writer.submit(rows, done, drops)
        except WriterFullError as failure:
            done(failure)

    def _committed(
        self,
        held: Reservation,
        rows: Sequence[Row],
        future: asyncio.Future[BaseException | None],
        failure: BaseException | None,
    ) -> None:
        """The end of a write. Runs even when whoever asked has gone meanwhile."""
        session_id = held.change.session.id
        waiting = self._writing.pop(session_id)
        try:
            if failure is None:
                self._numbers[session_id] = rows[0][0] & LARGEST_NUMBER
                if held.change.remember is not None:
                    self._answers[held.change.remember.key] = rows[-1][0]
                self._live.settle(held)
            else:
                self._live.undo(held)
        finally:
            if not future.done():
                future.set_result(failure)
            for over in waiting:
                if not over.done():
                    over.set_result(None)

    def _rows(self, held: Reservation) -> list[Row]:
        """What a change writes: its session first, an answer to remember last.

        A job is not written: it follows from its session.
        """
        change = held.change
        number = self._numbers.get(change.session.id)
        key = self._new_key(SESSION) if number is None else key_of(SESSION, number)
        rows = [(key, _encode(change.session))]
        rows += [self._hit(take.subject, take.windows, held.at) for take in held.takes]
        if change.remember is not None:
            rows.append((self._new_key(ANSWER), _encode(change.remember)))
        return rows

    def _hit(self, subject: str, windows: Sequence[Window], at: datetime) -> Row:
        span = longest(windows)
        kind = FIRST_HIT + (0 if span <= MINUTE else 1 if span <= HOUR else 2)
        key = self._new_key(kind)
        self._mark_hit(kind, at, key & LARGEST_NUMBER)
        return key, _encode((subject, at))

    def _mark_hit(self, kind: int, at: datetime, number: int) -> None:
        """Remember, to the second, up to which number the hits are how old."""
        marks = self._hit_marks.setdefault(kind, deque())
        if marks and at - marks[-1][0] < _A_SECOND:
            marks[-1] = (marks[-1][0], number)
        else:
            marks.append((at, number))

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

    async def _write(self, rows: Sequence[Row], drops: Sequence[Statement] = ()) -> None:
        future: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def done(failure: BaseException | None) -> None:
            if not future.done():
                future.set_result(failure)

        self._submit(rows, done, drops)
        failure = await future
        if failure is not None:
            raise StoreUnavailableError(str(failure)) from failure

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a letter, once it is on the disk."""
        key = self._new_key(LETTER)
        await self._write([(key, _encode(letter))])
        self._letters.add(key & LARGEST_NUMBER, letter)

    # --- cleaning ------------------------------------------------------------------

    async def purge(self, now: datetime) -> int:
        """Forget what no rule needs, in memory and in the file."""
        purged = self._live.purge(now)
        for session_id in purged.sessions:
            key = key_of(SESSION, self._numbers.pop(session_id))
            self._unforgotten.append((_DROP, (key,)))
        for answer in purged.keys:
            key = self._answers.pop(answer, 0)
            if key:
                self._unforgotten.append((_DROP, (key,)))
        self._forget_hits(now)
        forgotten = self._letters.forget(now)
        if forgotten:
            self._forget(LETTER, forgotten)
        if self._unforgotten:
            drops, self._unforgotten = self._unforgotten, []
            try:
                await self._write((), drops)
            except StoreUnavailableError:
                self._unforgotten = drops + self._unforgotten
                raise
        return purged.records

    def _forget_hits(self, now: datetime) -> None:
        for kind, marks in self._hit_marks.items():
            oldest = now - _SPANS[kind - FIRST_HIT] - _A_SECOND
            forgotten = 0
            while marks and marks[0][0] <= oldest:
                forgotten = marks.popleft()[1]
            if forgotten:
                self._forget(kind, forgotten)

    def _forget(self, kind: int, up_to: int) -> None:
        self._unforgotten.append((_DROP_RANGE, (key_of(kind, 0), key_of(kind, up_to))))

    async def check(self) -> None:
        """Write something."""
        await self._write([(key_of(BEAT, 0), _encode(self._now()))])

    async def close(self) -> None:
        """Write what is queued, then let the file go."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._db.close)
        self._lock.close()


# --- the file ----------------------------------------------------------------------


def _take_lock(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    lock = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as refused:
        lock.close()
        message = f"{path} is in use by another kaskad process"
        raise StoreInUseError(message) from refused
    return lock


def _connect(path: Path) -> apsw.Connection:
    if not path.exists():
        path.touch(mode=0o600)  # it holds phone numbers
    try:
        db = apsw.Connection(str(path), statementcachesize=96)
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
    db.execute("PRAGMA wal_autocheckpoint = 1000").fetchall()
    db.execute("PRAGMA secure_delete = ON").fetchall()  # a number goes with its session
    application = db.execute("PRAGMA application_id").fetchall()[0][0]
    version = db.execute("PRAGMA user_version").fetchall()[0][0]
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
    if application == 0 and version == 0 and tables == 0:
        db.execute(
            f"BEGIN IMMEDIATE; {SCHEMA}; PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
        )
    elif application != APPLICATION_ID:
        raise ForeignFileError(f"{path} is not a session store of kaskad")
    elif version != SCHEMA_VERSION:
        raise ForeignFileError(f"{path} belongs to another version of kaskad (schema {version})")
