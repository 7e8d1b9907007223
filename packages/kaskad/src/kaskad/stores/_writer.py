"""One thread that writes: many operations share a transaction, none shares a failure."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

import apsw

Value = str | int | float | bytes | None
Statement = tuple[str, tuple[Value, ...]]
Done = Callable[[BaseException | None], None]
Operation = tuple[Sequence[Statement], Done]

LARGEST_BATCH = 512
LONGEST_QUEUE = 20_000


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

    def submit(self, statements: Sequence[Statement], done: Done) -> None:
        """Queue an operation; ``done`` runs in the event loop once it is durable or failed."""
        if self._queue.qsize() >= LONGEST_QUEUE:
            raise WriterFullError
        self._queue.put((statements, done))

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
            answers = [
                (done, result) for (_, done), result in zip(operations, results, strict=True)
            ]
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
        if failure is None or len(operations) == 1:
            return [failure] * len(operations)
        return [self._transaction([operation]) for operation in operations]

    def _transaction(self, operations: list[Operation]) -> BaseException | None:
        if not operations:
            return None
        execute = self._db.execute
        try:
            execute("BEGIN IMMEDIATE")
            for statements, _ in operations:
                for sql, values in statements:
                    execute(sql, values)
            execute("COMMIT")
        except Exception as failure:  # whatever it was: nothing of it is stored
            self._roll_back()
            return failure
        return None

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            with contextlib.suppress(apsw.Error):
                self._db.execute("ROLLBACK")


def _deliver(answers: list[tuple[Done, BaseException | None]]) -> None:
    for done, result in answers:
        done(result)
