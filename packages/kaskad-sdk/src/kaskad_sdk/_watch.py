"""Following a verification, without I/O: what to ask, what it means, and who is to be told."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from kaskad_sdk import _wire, errors
from kaskad_sdk._calls import Calls
from kaskad_sdk._flow import Flow, Wait
from kaskad_sdk._steps import Request, Response
from kaskad_sdk.events import (
    ChannelChangedEvent,
    ErrorEvent,
    OtpEvent,
    ResendChannelEvent,
    SuccessConfirmationEvent,
)
from kaskad_sdk.models import Channel, ChannelPayload, ChannelStatus

L = TypeVar("L", bound=Callable[[Any], Any])


class Watch:
    """What is known of a verification, and what to ask next; no I/O.

    Its events name no recipient: whose number is watched for is the listener's affair.
    """

    def __init__(self, calls: Calls, request_id: str) -> None:
        self._calls = calls
        self._wait = Wait(calls.flows, request_id, float("inf"))
        self.request_id = request_id
        self.last: ChannelChangedEvent | None = None
        self.over = False
        self._began = False
        self._ended: ResendChannelEvent | None = None
        self._since: int | None = None

    def news(self) -> Flow[OtpEvent | None]:
        """The next event, ``None`` for none yet; nothing comes once it is ``over``.

        A confirmation is of whatever number it is: see :meth:`verdict`.
        """
        try:
            answer = yield from self._wait.answer(self._request())
            self._began = True
            problem = _wire.refusal(answer, self.request_id)
            self._since = _wire.version(answer)
            if problem is not None:
                return self._refused(problem)
            return self._shown(_wire.channel(answer))
        except errors.OtpException as problem:
            return self._failed(problem)

    def verdict(self, recipient: str | None) -> Flow[OtpEvent]:
        """What the confirmation is for who means that number: of another one it is none."""
        if recipient is not None:
            path = _wire.session_path(self.request_id, "status")
            request = self._calls.api.get(path + _wire.query(recipient=recipient))
            try:
                answer: Response = yield from self._wait.answer(request)
                problem = _wire.refusal(answer, self.request_id)
                if problem is None and not _wire.status_data(answer).success:
                    problem = errors.InternalServerErrorException(session_id=self.request_id)
            except errors.OtpException as raised:
                problem = raised
            if problem is not None:
                return self._failed(problem)
        return SuccessConfirmationEvent(request_id=self.request_id, recipient=None)

    def standing(self, kind: type[OtpEvent]) -> OtpEvent | None:
        """What a listener that comes late has missed and what still holds."""
        if self.over:
            return None
        if kind is ChannelChangedEvent:
            return self.last
        return self._ended if kind is ResendChannelEvent else None

    def interrupted(self) -> None:
        """The news that were asked for are lost, and may have been on their way."""
        self._began = self._since is not None

    def _request(self) -> Request:
        if self._began:
            return self._calls.flows.channel_poll(self._calls.api, self.request_id, self._since)
        return self._calls.api.get(_wire.session_path(self.request_id, "channel"))

    def _refused(self, problem: errors.OtpException) -> OtpEvent | None:
        if not isinstance(problem, errors.ResendChannelException):
            return self._failed(problem)
        if self._ended is not None:
            return None
        self._ended = ResendChannelEvent(request_id=self.request_id, recipient=None, error=problem)
        return self._ended

    def _failed(self, problem: errors.OtpException) -> ErrorEvent:
        self.over = True
        self._calls.api.said(problem)
        return ErrorEvent(request_id=self.request_id, recipient=None, error=problem)

    def _shown(self, channel: Channel) -> OtpEvent | None:
        if channel.status == ChannelStatus.CONFIRMED:
            self.over = True
            return SuccessConfirmationEvent(request_id=self.request_id, recipient=None)
        previous = self.last.channel if self.last is not None else None
        is_old = previous is not None and _face(previous) == _face(channel)
        if self._ended is None and is_old:
            return None
        self._ended = None
        self.last = ChannelChangedEvent(
            request_id=self.request_id, recipient=None, channel=channel, previous=previous
        )
        return self.last


def _face(channel: Channel) -> Channel:
    """The channel without what changes while nothing does."""
    payload: ChannelPayload = replace(channel.payload, now=None)
    return replace(channel, payload=payload)


@dataclass(eq=False)
class Place(Generic[L]):
    """A listener, and the number that it means; ``told`` is the event that it heard last."""

    kind: type[OtpEvent]
    listener: L
    recipient: str | None
    late: bool = False
    told: OtpEvent | None = None


class Running(Generic[L]):
    """One poll with its listeners."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.places: list[Place[L]] = []

    def due(self, place: Place[L], event: OtpEvent | None) -> OtpEvent | None:
        """The event as this listener is to be told it now, unless it left or knows it."""
        if event is None or place.kind is not type(event):
            return None
        place.late = False
        if place.told is event or place not in self.places:
            return None
        place.told = event
        return replace(event, recipient=place.recipient)

    def by_recipient(self) -> dict[str | None, list[Place[L]]]:
        """The listeners by the number that they mean."""
        found: dict[str | None, list[Place[L]]] = {}
        for place in self.places:
            found.setdefault(place.recipient, []).append(place)
        return found
