"""Looking into the file of a session store that may be running. Nothing is written.

Raises :class:`ForeignFileError` for another's file and :class:`OSError` for one
that cannot be read.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import apsw
import msgspec

from kaskad.app.ports import DeadLetter, Job
from kaskad.core.model import Session, Value
from kaskad.core.session import pending_job
from kaskad.stores._keys import LETTER, SESSION, all_of
from kaskad.stores._letters import newest_first
from kaskad.stores._live import job_of
from kaskad.stores.sqlite import ForeignFileError

_decode_session = msgspec.msgpack.Decoder(Session).decode
_decode_letter = msgspec.msgpack.Decoder(DeadLetter).decode
_NOTHING = timedelta(0)


class Queue(Value, frozen=True, kw_only=True):
    """The messages of one account that are not handed over, or not answered.

    ``oldest`` is for how long one of them waits, ``late`` for how long one is past
    its deadline: nobody has seen to that, as nothing runs on the file or it is stuck.
    """

    lane: str
    waiting: int = 0
    oldest: timedelta = _NOTHING
    overdue: int = 0
    late: timedelta = _NOTHING


def read_session(path: Path, session_id: str) -> Session | None:
    """Look a session up."""
    likely = "SELECT data FROM records WHERE key BETWEEN ? AND ? AND instr(data, ?)"
    with _opened(path) as db:
        for (data,) in db.execute(likely, (*all_of(SESSION), session_id.encode())):
            session = _decode_session(data)
            if session.id == session_id:
                return session
    return None


def read_queues(path: Path, now: datetime) -> list[Queue]:
    """What waits for which account, by the accounts' names."""
    queues: dict[str, Queue] = {}
    with _opened(path) as db:
        for (data,) in db.execute(_ALL, all_of(SESSION)):
            for effect in pending_job(_decode_session(data)):
                job = job_of(effect)
                known = queues.get(job.lane) or Queue(lane=job.lane)
                queues[job.lane] = _with(known, job, now)
    return [queues[lane] for lane in sorted(queues)]


def _with(queue: Queue, job: Job, now: datetime) -> Queue:
    late = max(now - job.expires_at, _NOTHING)
    return Queue(
        lane=queue.lane,
        waiting=queue.waiting + 1,
        oldest=max(queue.oldest, now - job.due_at),
        overdue=queue.overdue + (late > _NOTHING),
        late=max(queue.late, late),
    )


def read_letters(path: Path, now: datetime) -> list[DeadLetter]:
    """The dead letters, newest first."""
    with _opened(path) as db:
        letters = [_decode_letter(data) for (data,) in db.execute(_ALL, all_of(LETTER))]
    return newest_first(letters, now)


_ALL = "SELECT data FROM records WHERE key BETWEEN ? AND ? ORDER BY key"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    try:
        with contextlib.closing(apsw.Connection(f"file:{path}?mode=ro", flags=flags)) as db:
            db.set_busy_timeout(5000)
            yield db
    except apsw.NotADBError as failure:
        raise ForeignFileError(f"{path} is not a session store of kaskad") from failure
    except (apsw.Error, msgspec.MsgspecError) as failure:
        raise OSError(f"{path} cannot be read: {failure}") from failure
