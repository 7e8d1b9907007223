"""Telling listeners of verifications: one poll for each, whatever the number of its listeners."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from kaskad_sdk import errors
from kaskad_sdk._calls import Calls
from kaskad_sdk._flow import Flow
from kaskad_sdk._forks import renewed_by_forks
from kaskad_sdk._transport import Cancel
from kaskad_sdk._watch import Place, Running, Watch
from kaskad_sdk.events import OtpEvent, Subscription, SuccessConfirmationEvent

_Awaited: TypeAlias = Callable[[Any], Awaitable[None] | None]
_Blocking: TypeAlias = Callable[[Any], None]
_Key: TypeAlias = tuple[asyncio.AbstractEventLoop, str]
"""Of a poll: a loop tells its own listeners."""


class _Polled(Running[_Awaited]):
    """A poll on a task. Whoever tells its listeners has ``turn``: one is at work at a time."""

    def __init__(self, watch: Watch, key: _Key) -> None:
        super().__init__(watch)
        self.key = key
        self.turn = asyncio.Lock()
        self.telling = False
        self.end: Callable[[], object] = lambda: None


class AsyncWatches:
    """The polls of an asynchronous client: in each loop a task for each verification."""

    def __init__(
        self,
        calls: Calls,
        run: Callable[[Flow[OtpEvent | None]], Awaitable[OtpEvent | None]],
        log: logging.Logger,
    ) -> None:
        self._calls = calls
        self._run = run
        self._log = log
        self._running: dict[_Key, _Polled] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def subscribe(
        self,
        kind: type[OtpEvent],
        request_id: str,
        listener: _Awaited,
        recipient: str | None,
    ) -> Subscription:
        """Tell a listener; the first one of a verification starts its poll.

        Raises :class:`RuntimeError` where no event loop runs, and leaves nothing behind.
        """
        request_id = str(request_id)  # it may be a UUID
        place = Place(kind, listener, self._calls.known_recipient(request_id, recipient))
        key = asyncio.get_running_loop(), request_id
        running = self._running.get(key)
        if running is None:
            running = _Polled(Watch(self._calls, request_id), key)
            self._running[key] = running
            running.end = self._start(self._poll(running), f"kaskad-watch-{request_id}").cancel
        elif running.watch.standing(kind) is not None:
            place.late = True
            self._start(self._catch_up(running, place), f"kaskad-watch-late-{request_id}")
        running.places.append(place)
        return Subscription(lambda: self._leave(running, place))

    def _start(self, work: Any, name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _leave(self, running: _Polled, place: Place[Any]) -> None:
        running.places.remove(place)
        if not running.places:
            self._forget(running)
            if not running.telling:  # a listener that leaves, or is left, is not cut in half
                running.end()

    def _forget(self, running: _Polled) -> None:
        if self._running.get(running.key) is running:
            del self._running[running.key]

    async def _poll(self, running: _Polled) -> None:
        try:
            over = False
            while not over:
                event = await self._run(running.watch.news())
                if running.watch.over:
                    self._forget(running)
                if isinstance(event, SuccessConfirmationEvent):
                    await self._tell_verdicts(running)
                elif event is not None:
                    await self._tell_all(running, list(running.places), event)
                over = running.watch.over or not running.places
        except errors.NoConnectionException:
            pass  # the client is closed; whatever else is wrong is an event
        finally:
            self._forget(running)

    async def _tell_verdicts(self, running: _Polled) -> None:
        for recipient, places in running.by_recipient().items():
            verdict = await self._run(running.watch.verdict(recipient))
            await self._tell_all(running, places, verdict)

    async def _tell_all(
        self, running: _Polled, places: list[Place[_Awaited]], event: OtpEvent | None
    ) -> None:
        async with running.turn:
            running.telling = True
            for place in places:
                await self._tell(place, running.due(place, event))
            running.telling = False

    async def _catch_up(self, running: _Polled, place: Place[_Awaited]) -> None:
        async with running.turn:
            if place.late:  # else the poll was faster
                missed = running.watch.standing(place.kind)
                await self._tell(place, running.due(place, missed))

    async def _tell(self, place: Place[_Awaited], event: OtpEvent | None) -> None:
        if event is None:
            return
        try:
            done = place.listener(event)
            if done is not None:
                await done
        except Exception:
            self._log.exception("a listener of %s failed", event.request_id)

    async def close(self) -> None:
        """End this loop's polls; those of another one end when they ask next."""
        here = asyncio.get_running_loop()
        tasks = {task for task in list(self._tasks) if task.get_loop() is here}
        tasks -= {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Followed(Running[_Blocking]):
    """A poll on a thread. ``waiting`` ends what it waits for now, ``end`` all of it."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.waiting = Cancel()
        self.nudged = False
        self.ended = False

    def nudge(self) -> None:
        """Somebody came late."""
        self.nudged = True
        self.waiting()

    def end(self) -> None:
        """Nobody listens any more."""
        self.ended = True
        self.waiting()


class Watches:
    """The polls of a blocking client: a thread for each verification, which tells its listeners.

    A listener that comes late ends the wait of that thread, and is told before the next one.
    """

    def __init__(
        self,
        calls: Calls,
        run: Callable[[Flow[OtpEvent | None], Cancel], OtpEvent | None],
        log: logging.Logger,
    ) -> None:
        self._calls = calls
        self._run = run
        self._log = log
        self._lock = threading.RLock()
        self._running: dict[str, _Followed] = {}
        self._threads: dict[threading.Thread, _Followed] = {}
        renewed_by_forks(self)

    def renew(self) -> None:
        """In the child of a fork: the parent's threads go on telling the parent's listeners."""
        self._lock = threading.RLock()
        self._running = {}
        self._threads = {}

    def subscribe(
        self,
        kind: type[OtpEvent],
        request_id: str,
        listener: _Blocking,
        recipient: str | None,
    ) -> Subscription:
        """Tell a listener; the first one of a verification starts its poll."""
        request_id = str(request_id)  # it may be a UUID
        place = Place(kind, listener, self._calls.known_recipient(request_id, recipient))
        with self._lock:
            running = self._running.get(request_id)
            if running is None:
                running = _Followed(Watch(self._calls, request_id))
                self._running[request_id] = running
                self._start(running)
            elif running.watch.standing(kind) is not None:
                place.late = True
                running.nudge()
            running.places.append(place)
        return Subscription(lambda: self._leave(running, place))

    def _start(self, running: _Followed) -> None:
        name = f"kaskad-watch-{running.watch.request_id}"
        thread = threading.Thread(target=self._poll, args=(running,), name=name, daemon=True)
        self._threads[thread] = running
        thread.start()

    def _leave(self, running: _Followed, place: Place[Any]) -> None:
        with self._lock:
            running.places.remove(place)
            if not running.places:
                self._forget(running)
                running.end()

    def _forget(self, running: _Followed) -> None:
        with self._lock:
            if self._running.get(running.watch.request_id) is running:
                del self._running[running.watch.request_id]

    def _poll(self, running: _Followed) -> None:
        try:
            while self._begun(running):
                event = self._asked(running, running.watch.news())
                if running.watch.over:
                    self._forget(running)
                if isinstance(event, SuccessConfirmationEvent):
                    self._tell_verdicts(running)
                else:
                    self._tell_all(running, running.places, event)
        finally:
            self._forget(running)
            with self._lock:
                self._threads.pop(threading.current_thread(), None)

    def _begun(self, running: _Followed) -> bool:
        """Tell who came late, before the next wait; ``False`` when there is to be none."""
        with self._lock:
            if running.watch.over or not self._goes_on(running):
                return False
            late = [place for place in running.places if place.late]
        for place in late:
            place.late = False
            self._tell(running, place, running.watch.standing(place.kind))
        return True

    def _goes_on(self, running: _Followed) -> bool:
        """Whether there is to be another wait; one ended for who came late ends no other."""
        with self._lock:
            closed = running.waiting.asked.is_set() and not running.nudged
            if closed or running.ended:
                return False
            running.waiting, running.nudged = Cancel(), False
            return True

    def _asked(self, running: _Followed, flow: Flow[OtpEvent | None]) -> OtpEvent | None:
        try:
            return self._run(flow, running.waiting)
        except errors.NoConnectionException:
            if not running.waiting.asked.is_set():
                raise
            running.watch.interrupted()
            return None

    def _tell_verdicts(self, running: _Followed) -> None:
        with self._lock:
            each = running.by_recipient()
        for recipient, places in each.items():
            if not self._goes_on(running):
                return
            verdict = self._asked(running, running.watch.verdict(recipient))
            self._tell_all(running, places, verdict)

    def _tell_all(
        self, running: _Followed, places: list[Place[_Blocking]], event: OtpEvent | None
    ) -> None:
        with self._lock:
            places = list(places)
        for place in places:
            self._tell(running, place, event)

    def _tell(self, running: _Followed, place: Place[_Blocking], event: OtpEvent | None) -> None:
        with self._lock:
            due = None if running.ended else running.due(place, event)
        if due is None:
            return
        try:
            place.listener(due)
        except Exception:
            self._log.exception("a listener of %s failed", due.request_id)

    def close(self) -> None:
        """End every poll, and wait for the threads to see it."""
        with self._lock:
            threads = dict(self._threads)
            for running in threads.values():
                running.end()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()
