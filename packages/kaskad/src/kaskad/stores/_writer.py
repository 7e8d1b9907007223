"""One thread that writes: many operations share a transaction, none shares a failure.

Everything that is kept is a row ``(key, data)`` of one table, so that a whole
batch is one statement: while it runs and is synced, the interpreter's lock is
free, and it is taken once a batch instead of once a row.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from queue import Empty, SimpleQueue

import apsw
import structlog

from kaskad.stores._progress import Progress

Row = tuple[int, bytes]
Statement = tuple[str, tuple[int, ...]]
Step = tuple[str, tuple[int | bytes, ...]]
Done = Callable[[BaseException | None], None]
Operation = tuple[Sequence[Row], Sequence[Statement], Done]

log = structlog.get_logger()

PAUSE_S = 0.002
"""Between two batches. Under load the next one is the larger for it, and a batch costs far
more than a row; an operation that comes after a quiet while does not wait."""
LARGEST_BATCH = 512
LONGEST_QUEUE = 20_000
_LARGEST_STATEMENT = 1024

SCHEMA = "CREATE TABLE records (key INTEGER PRIMARY KEY, data BLOB NOT NULL)"


_OF_THE_DATABASE = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
)
"""Failures that no single operation is to blame for: trying each alone would only take longer."""


class WriterFullError(Exception):
    """More work is waiting than can be done in good time."""


class Writer:
    """Runs operations on the only connection that writes, in the order of their coming.

    What waits while a transaction is being synced to the disk goes into the
    next one. When a batch fails, each of its operations is tried alone, so
    that only those that fail by themselves do.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        loop: asyncio.AbstractEventLoop,
        progress: Progress | None = None,
    ) -> None:
        self._db = connection
        self._loop = loop
        self._progress = progress
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="kaskad-writer", daemon=True)
        self._thread.start()

    def submit(self, rows: Sequence[Row], done: Done, statements: Sequence[Statement] = ()) -> None:
        """Queue an operation; ``done`` runs in the event loop once it is durable or failed."""
        if self._queue.qsize() >= LONGEST_QUEUE:
            raise WriterFullError
        self._queue.put((rows, statements, done))

    def close(self) -> None:
        """Finish what is queued; blocks until that is durable."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_for_work = True
        while open_for_work:
            batch = self._next_batch()
            open_for_work = batch[-1] is not None
            operations = [operation for operation in batch if operation is not None]
            failures = self._write(operations)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_deliver, operations, failures)
            time.sleep(PAUSE_S)

    def _next_batch(self) -> list[Operation | None]:
        batch = [self._queue.get()]
        while batch[-1] is not None and len(batch) < LARGEST_BATCH:
            try:
                batch.append(self._queue.get_nowait())
            except Empty:
                break
        return batch

    def _write(self, operations: list[Operation]) -> Iterable[BaseException | None]:
        """How each operation ended."""
        failure = self._transaction(operations)
        if failure is None or len(operations) == 1 or isinstance(failure, _OF_THE_DATABASE):
            return repeat(failure)
        return [self._transaction([operation]) for operation in operations]

    def _transaction(self, operations: list[Operation]) -> BaseException | None:
        try:
            for sql, values in _steps(operations, self._progress):
                self._db.execute(sql, values)
        except Exception as failure:  # whatever it was: nothing of it is stored
            self._roll_back()
            return failure
        if self._progress is not None:
            with contextlib.suppress(OSError):  # then an older copy may go unnoticed
                self._progress.written()
        return None

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._db.execute("ROLLBACK")


def _steps(operations: list[Operation], progress: Progress | None = None) -> list[Step]:
    """A batch as statements; of a row that is written twice, only the newest."""
    newest = {key: data for rows, _, _ in operations for key, data in rows}
    if newest and progress is not None:
        newest.update((progress.row(),))
    steps = _puts(list(newest.items()))
    steps += [step for _, statements, _ in operations for step in statements]
    return steps if len(steps) <= 1 else [("BEGIN IMMEDIATE", ()), *steps, ("COMMIT", ())]


def _puts(rows: list[Row]) -> list[Step]:
    """Rows as statements of a few sizes, so that each is prepared once.

    What is missing to a size is filled with the last row again: an upsert of
    the same row changes nothing.
    """
    steps: list[Step] = []
    for start in range(0, len(rows), _LARGEST_STATEMENT):
        part = rows[start : start + _LARGEST_STATEMENT]
        size = _size(len(part))
        part += part[-1:] * (size - len(part))
        steps.append((_upsert(size), tuple(chain.from_iterable(part))))
    return steps


_STEPS = ((16, 1), (64, 4), (256, 16), (_LARGEST_STATEMENT, 64))


def _size(rows: int) -> int:
    """The size of the statement for so many rows: some 50 there are, and few rows are filled in."""
    step = next(step for most, step in _STEPS if rows <= most)
    return -(-rows // step) * step


_UPSERTS: dict[int, str] = {}


def _upsert(size: int) -> str:
    if size not in _UPSERTS:
        rows = ", ".join(["(?, ?)"] * size)
        _UPSERTS[size] = (
            f"INSERT INTO records VALUES {rows} "  # noqa: S608  # only question marks
            "ON CONFLICT (key) DO UPDATE SET data = excluded.data"
        )
    return _UPSERTS[size]


def _deliver(operations: list[Operation], failures: Iterable[BaseException | None]) -> None:
    for (_, _, done), failure in zip(operations, failures, strict=False):
        try:
            done(failure)
        except Exception:
            log.exception("after a write")
