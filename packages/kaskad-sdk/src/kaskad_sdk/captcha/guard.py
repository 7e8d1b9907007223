"""When a captcha is needed, and whether it was passed: what stands before a send."""

import logging
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from inspect import iscoroutinefunction
from typing import Any, Final, TypeAlias, TypeVar, assert_never

from kaskad_sdk._steps import Asking, NoAnswer, Request, Response
from kaskad_sdk.addresses import address_subject
from kaskad_sdk.captcha._verdicts import (
    Captcha,
    Passed,
    Refused,
    Spend,
    Unavailable,
    Used,
    Verdict,
)
from kaskad_sdk.captcha.altcha import Altcha
from kaskad_sdk.captcha.cloudflare import Cloudflare
from kaskad_sdk.captcha.counts import AsyncFreeRequests, FreeRequests, FreeRequestsInMemory
from kaskad_sdk.captcha.google import Google

log = logging.getLogger("kaskad_sdk.captcha")

T = TypeVar("T")
Ask = Callable[[Request], Awaitable[Response]]
"""Makes one request of a flow; raises :class:`kaskad_sdk._steps.NoAnswer` without an answer."""

CHALLENGE_PATH: Final = "altcha/challenge"
WINDOW_S: Final = 24 * 60 * 60
AGAIN_WITHIN_S: Final = 60 * 60
"""How long a request that passed may be made again: less than the service remembers its key."""


@dataclass(frozen=True, slots=True)
class _Take:
    address: str


@dataclass(frozen=True, slots=True)
class _Used:
    address: str


@dataclass(frozen=True, slots=True)
class _Admitted:
    request: str


@dataclass(frozen=True, slots=True)
class _HasBeenAdmitted:
    request: str


_Counting: TypeAlias = _Take | _Used | _Admitted | _HasBeenAdmitted | Spend
_Steps: TypeAlias = Generator[Request | _Counting, Any, T]
"""Requests are answered by a :class:`Response`, counting by a number."""
_Outcome: TypeAlias = Response | int | Awaitable[int] | NoAnswer | None


class Guard:
    """Lets the first requests of an address pass, and asks a captcha of the others.

    ``first_free_requests_per_ip`` are free within ``window_s`` seconds per address (IPv6: per
    /64). When the captcha cannot be checked, nobody passes; with ``fail_open`` everybody does.
    ``store`` counts, in this process's memory unless another is given; one with ``async`` methods
    serves asynchronous clients only, by the methods that end in ``_async``.
    """

    def __init__(
        self,
        captcha: Captcha,
        first_free_requests_per_ip: int = 0,
        *,
        fail_open: bool = False,
        store: FreeRequests | AsyncFreeRequests | None = None,
        window_s: int = WINDOW_S,
    ) -> None:
        if not callable(getattr(captcha, "verify", None)):
            given = type(captcha).__name__
            raise TypeError(
                f"captcha is one of kaskad_sdk.captcha, such as Altcha(...), not {given}"
            )
        _check_counts(first_free_requests_per_ip, window_s)
        self.captcha = captcha
        self._free = first_free_requests_per_ip
        self._fail_open = fail_open
        self._store: FreeRequests | AsyncFreeRequests = store or FreeRequestsInMemory()
        self._window_s = window_s

    @property
    def is_async(self) -> bool:
        """Whether the counts are asynchronous, so that only the ``_async`` methods work."""
        return iscoroutinefunction(self._store.take)

    def admit(
        self, token: str | None, *, address: str, now: datetime, request: str | None = None
    ) -> Asking[Verdict]:
        """A flow that decides whether a request may pass: it does if the result is ``Passed``.

        A free request is used up first, then ``token`` is judged. Each token passes once. An
        ``address`` that is none has no free requests. ``request`` names one that does nothing new
        when it is made again, by its idempotency key: once it has passed it does so for an hour,
        and uses nothing up.
        """
        return self._counted(self._admit_again(token, address, now, request), now)

    async def admit_async(
        self,
        token: str | None,
        *,
        address: str,
        now: datetime,
        ask: Ask,
        request: str | None = None,
    ) -> Verdict:
        """The same as :meth:`admit`, for every store; ``ask`` makes the requests."""
        return await self._run(self._admit_again(token, address, now, request), now, ask)

    def give_back(self, passed: Passed) -> None:
        """Undo what a request used up that came to nothing: the service refused it.

        The free request is there again, a request under a key has not passed, and a token is not
        recorded as used: an altcha's solution passes again while its challenge is valid, and a
        vendor is asked again, who takes a token once as a rule. A store without the method of
        :class:`~kaskad_sdk.captcha.GivesBack` keeps everything.
        """
        if self.is_async:
            raise TypeError("the counts are asynchronous: await the method that ends in _async")
        for used in passed.used:
            self._undo(used)

    async def give_back_async(self, passed: Passed) -> None:
        """The same as :meth:`give_back`, for every store."""
        for used in passed.used:
            undone = self._undo(used)
            if not isinstance(undone, int):
                await undone

    def _undo(self, used: Used) -> int | Awaitable[int]:
        undo = getattr(self._store, "give_back", None)
        undone: int | Awaitable[int] = False if undo is None else undo(used.name, at=used.at)
        return undone

    def is_required(self, address: str, now: datetime) -> bool:
        """Whether the next request of an address needs a captcha; counts nothing."""
        flow = self._counted(self._is_required(address), now)
        try:
            next(flow)
        except StopIteration as end:
            return bool(end.value)
        raise AssertionError("counting asks nobody")

    async def is_required_async(self, address: str, now: datetime) -> bool:
        """The same as :meth:`is_required`, for every store."""
        return await self._run(self._is_required(address), now, _nobody)

    def widget_fields(
        self, address: str, now: datetime, *, challenge_url: str = CHALLENGE_PATH
    ) -> dict[str, object]:
        """What a page must know of the captcha, to be merged into the widget's data.

        ``captchaVersion`` is Google's, ``captchaAction`` Google's and Cloudflare's,
        ``captchaChallengeUrl`` altcha's; the default is relative to the prefix under which the
        page's endpoints are served.
        """
        return self._fields(challenge_url, required=self.is_required(address, now))

    async def widget_fields_async(
        self, address: str, now: datetime, *, challenge_url: str = CHALLENGE_PATH
    ) -> dict[str, object]:
        """The same as :meth:`widget_fields`, for every store."""
        return self._fields(challenge_url, required=await self.is_required_async(address, now))

    def _fields(self, challenge_url: str, *, required: bool) -> dict[str, object]:
        fields: dict[str, object] = {
            "captchaIsRequired": required,
            "captchaProvider": self.captcha.provider,
            "captchaSiteKey": self.captcha.site_key,
        }
        if isinstance(self.captcha, Google):
            # A page cannot tell a key of one version from a key of the other.
            fields["captchaVersion"] = self.captcha.version
        if isinstance(self.captcha, Google | Cloudflare) and self.captcha.action is not None:
            fields["captchaAction"] = self.captcha.action
        if isinstance(self.captcha, Altcha):
            fields["captchaChallengeUrl"] = challenge_url
        return fields

    # --- the rules --------------------------------------------------------------------

    def _admit_again(
        self, token: str | None, address: str, now: datetime, request: str | None
    ) -> _Steps[Verdict]:
        if request is None:
            return (yield from self._admit(token, address, now))
        if (yield _HasBeenAdmitted(request)):
            return Passed()
        verdict = yield from self._admit(token, address, now)
        if isinstance(verdict, Passed):
            if (yield _Admitted(request)):
                return replace(verdict, used=(Used(request, now), *verdict.used))
        elif (yield _HasBeenAdmitted(request)):  # it came twice at the same time
            return Passed()
        return verdict

    def _admit(self, token: str | None, address: str, now: datetime) -> _Steps[Verdict]:
        subject = address_subject(address)
        if self._free and subject is not None and (yield _Take(subject)):
            return Passed(used=(Used(subject, now),))
        if not token:
            return Refused(reason="no token")
        verdict = yield from self.captcha.verify(token, address=address, now=now)
        match verdict:
            case Passed(spend=Spend() as spend):
                if not (yield spend):
                    return Refused(reason="a used token")
                return replace(verdict, used=(Used(spend.key, now),))
            case Unavailable(reason=reason):
                log.warning("captcha unavailable: %r; open: %s", reason, self._fail_open)
                return Passed() if self._fail_open else verdict
            case Refused(reason=reason, misset=True):
                log.warning("captcha refused, as of everybody: %r; look at its keys", reason)
                return verdict
            case Refused(reason=reason):
                log.info("captcha refused: %r", reason)
                return verdict
            case _:
                return verdict

    def _is_required(self, address: str) -> _Steps[bool]:
        subject = address_subject(address)
        if not self._free or subject is None:
            return True
        used: int = yield _Used(subject)
        return used >= self._free

    # --- who carries them out ---------------------------------------------------------

    def _counted(self, steps: _Steps[T], now: datetime) -> Asking[T]:
        if self.is_async:
            raise TypeError("the counts are asynchronous: await the method that ends in _async")
        return self._requests_of(steps, now)

    def _requests_of(self, steps: _Steps[T], now: datetime) -> Asking[T]:
        """The flow with its counting done on the way, so that requests alone are left."""
        outcome: _Outcome = None
        while True:
            try:
                step = _next(steps, outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Request):
                try:
                    outcome = yield step
                except NoAnswer as lost:
                    outcome = lost
            else:
                outcome = self._count(step, now)
                if not isinstance(outcome, int):  # an awaitable is true, and would let all pass
                    raise TypeError("the counts gave neither a number nor a truth")

    async def _run(self, steps: _Steps[T], now: datetime, ask: Ask) -> T:
        outcome: _Outcome = None
        while True:
            try:
                step = _next(steps, outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Request):
                try:
                    outcome = await ask(step)
                except NoAnswer as lost:
                    outcome = lost
            else:
                counted = self._count(step, now)
                outcome = counted if isinstance(counted, int) else await counted

    def _count(self, step: _Counting, now: datetime) -> int | Awaitable[int]:
        match step:
            case _Take(address):
                window_s = self._window_s
                return self._store.take(address, limit=self._free, window_s=window_s, now=now)
            case _Used(address):
                return self._store.used(address, window_s=self._window_s, now=now)
            case _Admitted(request):
                return self._store.take(request, limit=1, window_s=AGAIN_WITHIN_S, now=now)
            case _HasBeenAdmitted(request):
                return self._store.used(request, window_s=AGAIN_WITHIN_S, now=now)
            case Spend(key=key, until=until):
                return self._store.spend(key, until=until, now=now)
            case _:
                assert_never(step)


def _check_counts(free: object, window_s: object) -> None:
    """Raise :class:`TypeError` or :class:`ValueError`, with the setting's name and its form."""
    form = f"first_free_requests_per_ip is a whole number, 0 or more, not {free!r}"
    if not isinstance(free, int) or isinstance(free, bool):
        raise TypeError(form)
    if free < 0:
        raise ValueError(form)
    form = f"window_s is a number of seconds, 1 or more, not {window_s!r}"
    if not isinstance(window_s, int | float) or isinstance(window_s, bool):
        raise TypeError(form)
    if not window_s >= 1:
        raise ValueError(form)


def request_name(key: str, widget_id: object, recipient: object) -> str:
    """What a send is known by when it is made again under its idempotency key; tells no number."""
    asked = "\0".join((key, str(widget_id), str(recipient))).encode("utf-8", "surrogatepass")
    return f"again:{sha256(asked).hexdigest()}"


def _next(steps: _Steps[T], outcome: _Outcome) -> Request | _Counting:
    return steps.throw(outcome) if isinstance(outcome, NoAnswer) else steps.send(outcome)


async def _nobody(_: Request) -> Response:
    raise NoAnswer("nobody is asked here", sent=False)
