"""One thread that writes: many operations share a transaction, none shares a failure.

Everything that is kept is a row ``(key, data)`` of one table, so that a whole
batch is one statement: while it runs and is synced, the interpreter's lock is
free, and it is taken once a batch instead of once a row.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

import apsw
import structlog

Row = tuple[int, bytes]
Statement = tuple[str, tuple[int, ...]]
Step = tuple[str, tuple[int | bytes, ...]]
Done = Callable[[BaseException | None], None]
Operation = tuple[Sequence[Row], Sequence[Statement], Done]

log = structlog.get_logger()

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

    def __init__(self, connection: apsw.Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._db = connection
        self._loop = loop
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
            results = self._write(operations)
            answers = [(op[2], result) for op, result in zip(operations, results, strict=True)]
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_deliver, answers)

    def _next_batch(self) -> list[Operation | None]:
        batch = [self._queue.get()]
        while batch[-1] is not None and len(batch) < LARGEST_BATCH:
            try:
                batch.append(self._queue.get_nowait())
            except Empty:
                break
        return batch

    def _write(self, operations: list[Operation]) -> list[BaseException | None]:
        failure = self._transaction(operations)
        if failure is None or len(operations) == 1 or isinstance(failure, _OF_THE_DATABASE):
            return [failure] * len(operations)
        return [self._transaction([operation]) for operation in operations]

    def _transaction(self, operations: list[Operation]) -> BaseException | None:
        try:
            for sql, values in _steps(operations):
                self._db.execute(sql, values)
        except Exception as failure:  # whatever it was: nothing of it is stored
            self._roll_back()
            return failure
        return None

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._db.execute("ROLLBACK")


def _steps(operations: list[Operation]) -> list[Step]:
    """A batch as statements; of a row that is written twice, only the newest."""
    newest = {key: data for rows, _, _ in operations for key, data in rows}
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
        size = 1 << (len(part) - 1).bit_length()
        part += part[-1:] * (size - len(part))
        steps.append((_upsert(size), tuple(value for row in part for value in row)))
    return steps


_UPSERTS: dict[int, str] = {}


def _upsert(size: int) -> str:
    if size not in _UPSERTS:
        rows = ", ".join(["(?, ?)"] * size)
        _UPSERTS[size] = (
            f"INSERT INTO records VALUES {rows} "  # noqa: S608  # only question marks
            "ON CONFLICT (key) DO UPDATE SET data = excluded.data"
        )
    return _UPSERTS[size]


def _deliver(answers: list[tuple[Done, BaseException | None]]) -> None:
    for done, result in answers:
        try:
            done(result)
        except Exception:
            log.exception("after a write")
