"""The calls of the public API, without HTTP.

Every call checks in the same order: the request's form, the existence of what
it names, the caller's right to it, the recipient, the state, the limits.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

import structlog
from msgspec.structs import replace

from kaskad.app.addresses import address_subject
from kaskad.app.engine import Engine, Memo
from kaskad.app.gate import Gate
from kaskad.app.pages import Page
from kaskad.app.polling import Departure, Hub
from kaskad.app.ports import ApiToken, Catalog, Entropy, Snapshot, Telemetry
from kaskad.app.repeating import Idempotency, once
from kaskad.core import errors, inputs
from kaskad.core.effects import Step
from kaskad.core.limits import MINUTE, Window
from kaskad.core.model import Recipient, Session, State, Value, Widget
from kaskad.core.recipients import mask, parse_query_recipient, parse_recipient
from kaskad.core.session import Start
from kaskad.core.view import View, refusal_of, status, view

log = structlog.get_logger()

UNKNOWN_IDS = (Window(limit=60, span=MINUTE),)
NUMBER_EXPECTED = "a valid phone number, best in international form: +79001234567"

T = TypeVar("T")
Caller = ApiToken | Page

_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch


class SendWish(Value, frozen=True, kw_only=True):
    """What a caller wants verified, as it was given."""

    widget_id: str
    recipient: str
    user_ip: str | None = None
    locale: str | None = None
    captcha_token: str | None = None

    def __repr__(self) -> str:
        return f"SendWish(widget_id={self.widget_id!r})"


class Sent(Value, frozen=True, kw_only=True):
    """The answer to a send."""

    request_id: str
    recipient: str

    def __repr__(self) -> str:
        return f"Sent(request_id={self.request_id!r})"


class ChannelAnswer(Value, frozen=True, kw_only=True):
    """What a channel call answers: a view or an error, both with a version."""

    session: Session
    view: View | type[errors.KaskadError]

    @property
    def version(self) -> int:
        """The view's version."""
        return self.session.view_version


class Verifications:
    """What a back end or a page may do."""

    def __init__(
        self,
        *,
        engine: Engine,
        gate: Gate,
        catalog: Catalog,
        hub: Hub,
        entropy: Entropy,
        telemetry: Telemetry,
        session_lifetime_s: int,
        default_region: str,
        long_poll_timeout_s: float,
    ) -> None:
        self._engine = engine
        self._gate = gate
        self._catalog = catalog
        self._hub = hub
        self._entropy = entropy
        self._telemetry = telemetry
        self._lifetime_s = session_lifetime_s
        self._region = default_region
        self._hold_s = long_poll_timeout_s

    @property
    def draining(self) -> bool:
        """Whether the service is on its way out."""
        return self._hub.draining

    @property
    def _snapshot(self) -> Snapshot:
        return self._catalog.snapshot

    # --- widgets and sends -----------------------------------------------------------

    async def widget(self, caller: Caller, widget_id: str) -> Widget:
        """A widget that the caller may use."""
        return await self._usable(caller, self._own_widget(caller, _uuid(widget_id)))

    async def captcha_is_required(
        self, caller: Caller, widget: Widget, user_ip: str | None
    ) -> bool:
        """Whether a send needs a captcha; of a page the address is known."""
        address = caller.address if isinstance(caller, Page) else user_ip
        return await self._gate.is_required(widget, address)

    async def challenge(self, caller: Caller, widget_id: str) -> Mapping[str, object]:
        """A new challenge of a captcha that we host."""
        challenge = await self._gate.challenge(await self.widget(caller, widget_id))
        if challenge is None:
            raise errors.NotFoundException
        return challenge

    def _own_widget(self, caller: Caller, widget_id: str | None) -> Widget | None:
        """The widget of an id, if there is one for the caller."""
        widget = self._snapshot.widgets.get(widget_id) if widget_id else None
        return widget if widget is not None and caller.knows(widget) else None

    async def _usable(self, caller: Caller, widget: Widget | None) -> Widget:
        """The same widget, if it is one and the caller may use it."""
        if widget is None:
            await self._count_unknown(caller)
            raise errors.WidgetNotFoundException
        if not caller.may_use(widget.id):
            raise errors.ForbiddenException
        return widget

    async def send(
        self, caller: Caller, wish: SendWish, idempotency: Idempotency | None = None
    ) -> Sent:
        """Begin a verification."""
        widget_id = _uuid(wish.widget_id)
        own = self._own_widget(caller, widget_id)
        to, address = self._read(wish, widget_id, own.region if own else self._region)
        widget = await self._usable(caller, own)
        if widget.blocked or not widget.active:
            raise errors.WidgetIsBlockedException
        now = self._engine.clock.now()
        test = widget.test_recipient(to.number, now) if widget.test_recipients else None
        begin = Start(
            id=self._entropy.uuid(),
            widget=widget,
            recipient=to,
            locale=wish.locale or widget.locale,
            lifetime_s=self._lifetime_s,
            address=address,
            test=test,
        )

        async def call(memo: Memo | None) -> str:
            session = await self._start(begin, wish, memo)
            self._telemetry.started(session)
            if test is not None:
                await self._audit_test(caller, session)
            return session.id

        # The number is not remembered: an answer is kept longer than its session may be.
        request_id = (
            await call(None)
            if idempotency is None
            else await once(self._engine, caller, idempotency, call, _id_of, str)
        )
        return Sent(request_id=request_id, recipient=to.number)

    async def _start(self, begin: Start, wish: SendWish, memo: Memo | None) -> Session:
        captcha = begin.widget.captcha
        if captcha is None:
            return await self._engine.start(begin, memo)
        token, user_ip = wish.captcha_token, wish.user_ip or ""
        return await self._gate.start(begin, captcha, token, user_ip, memo)

    def _read(
        self, wish: SendWish, widget_id: str | None, region: str
    ) -> tuple[Recipient, str | None]:
        """The recipient and the address; every field that is malformed is named at once."""
        problems = {}
        if widget_id is None:
            problems["widgetId"] = "a UUID"
        to = parse_recipient(wish.recipient, region)
        if to is None:
            problems["recipient"] = NUMBER_EXPECTED
        address = None if wish.user_ip is None else address_subject(wish.user_ip)
        if wish.user_ip is not None and address is None:
            problems["userIp"] = "an IP address"
        if problems or to is None:
            raise errors.ValidateError(problems)
        return to, address

    async def _audit_test(self, caller: Caller, session: Session) -> None:
        try:
            await self._catalog.audit(
                tenant=session.tenant,
                actor=caller.actor,
                action="session.test_recipient",
                subject=f"{session.id} {mask(session.recipient.number)}",
                at=session.created_at,
            )
        except Exception:
            log.exception("audit row lost", session=session.id)

    # --- reading -----------------------------------------------------------------------

    async def channel(self, caller: Caller, request_id: str) -> ChannelAnswer:
        """The current channel."""
        session = await self._session(caller, request_id)
        await self._seen(session)
        return ChannelAnswer(session=session, view=view(session))

    async def poll_channel(
        self, caller: Caller, request_id: str, since: int | None, departed: Departure
    ) -> ChannelAnswer:
        """The current channel, as soon as there is something new to read."""
        session = await self._session(caller, request_id)

        async def look() -> ChannelAnswer | None:
            now = await self._again(session.id)
            if not await self._is_news(now, since, session.view_version):
                return None
            await self._seen(now)
            return ChannelAnswer(session=now, view=view(now))

        return await self._hub.hold(
            session.id, look, timeout_s=self._hold_s, departed=departed, owner=caller.owner
        )

    async def _is_news(self, session: Session, since: int | None, began_at: int) -> bool:
        """Whether a poll answers now; ``began_at`` is the version when it came."""
        if session.state in {State.CLOSED, State.SPENT, State.EXHAUSTED}:
            return True
        if since is not None:
            return session.view_version != since
        if session.state is State.WAIT:
            return False
        if refusal_of(session) is not None or session.view_version != began_at:
            return True
        marks = await self._engine.store.marks(session.id)
        return marks.delivered_view != session.view_version

    async def delivered(self, answer: ChannelAnswer) -> None:
        """A poller has got this answer in full."""
        store = self._engine.store
        marks = await store.marks(answer.session.id)
        if answer.version > marks.delivered_view:
            await store.mark(answer.session.id, replace(marks, delivered_view=answer.version))

    async def _seen(self, session: Session) -> None:
        """Remember which channel a reader was last told of."""
        if refusal_of(session) is not None:
            return
        marks = await self._engine.store.marks(session.id)
        launch = session.launch
        known = marks.code_type or session.launches[0].first_code_type
        if (marks.launch, known) != (launch.number, launch.code_type):
            seen = replace(marks, launch=launch.number, code_type=launch.code_type)
            await self._engine.store.mark(session.id, seen)

    async def status(
        self, caller: Caller, request_id: str, recipient: str | None, since: int | None
    ) -> bool:
        """Whether the recipient is proven; raises why not yet."""
        session = await self._session_of(caller, request_id, recipient)
        return _raised(await self._status(session, since))

    async def poll_status(
        self,
        caller: Caller,
        request_id: str,
        recipient: str | None,
        since: int | None,
        departed: Departure,
    ) -> bool:
        """Answer once the recipient is proven; raises why it cannot be."""
        session = await self._session_of(caller, request_id, recipient)

        async def look() -> bool | None:
            now = await self._again(session.id)
            return _raised(await self._status(now, since)) or None

        return await self._hub.hold(
            session.id, look, timeout_s=self._hold_s, departed=departed, owner=caller.owner
        )

    async def _status(self, session: Session, since: int | None) -> bool | type[errors.KaskadError]:
        if since is not None:
            return status(session, changed=since < session.channel_version)
        marks = await self._engine.store.marks(session.id)
        launch = session.launch
        known = marks.code_type or session.launches[0].first_code_type
        changed = (marks.launch, known) != (launch.number, launch.code_type)
        return status(session, changed=changed)

    async def follow(self, caller: Caller, request_id: str) -> Session:
        """The session, for a reader that is going to watch it."""
        return await self._session(caller, request_id)

    async def next_view(
        self,
        caller: Caller,
        session_id: str,
        since: int,
        departed: Departure,
        *,
        timeout_s: float,
    ) -> ChannelAnswer:
        """The next view after ``since``; raises the time-out of the hub."""

        async def look() -> ChannelAnswer | None:
            now = await self._again(session_id)
            if now.view_version == since:
                return None
            await self._seen(now)
            return ChannelAnswer(session=now, view=view(now))

        return await self._hub.hold(
            session_id, look, timeout_s=timeout_s, departed=departed, owner=caller.owner
        )

    # --- acting ------------------------------------------------------------------------

    async def check_code(self, caller: Caller, request_id: str, code: str) -> bool:
        """Check what a person typed."""
        session = await self._session(caller, request_id)
        return await self._ask(session, inputs.CheckCode(code=code))

    async def check_and_complete(
        self, caller: Caller, request_id: str, recipient: str | None, widget_id: str | None
    ) -> bool:
        """Collect the verdict, once; raises why there is none."""
        session = await self._session_of(caller, request_id, recipient, widget_id)
        return await self._ask(session, inputs.CheckAndComplete())

    async def complete(self, caller: Caller, request_id: str, recipient: str | None) -> bool:
        """Collect the verdict, once; another number than the session's collects nothing."""
        if recipient is None:
            session = await self._session(caller, request_id)
        else:
            try:
                session = await self._session_of(caller, request_id, recipient)
            except errors.PhoneNumberMismatchException:
                return False
        return await self._ask(session, inputs.Complete())

    async def cancel(self, caller: Caller, request_id: str) -> bool:
        """Give an unconfirmed session up."""
        session = await self._session(caller, request_id)
        return await self._ask(session, inputs.Cancel())

    async def resend(
        self,
        caller: Caller,
        request_id: str,
        *,
        another_way: bool,
        idempotency: Idempotency | None = None,
    ) -> bool:
        """Send another message."""
        session = await self._session(caller, request_id)

        async def call(memo: Memo | None) -> bool:
            return await self._ask(session, inputs.Resend(next=another_way), memo)

        if idempotency is None:
            return await call(None)
        return await once(self._engine, caller, idempotency, call, lambda _: True, bool)

    async def _ask(self, session: Session, event: inputs.Input, memo: Memo | None = None) -> bool:
        step = await self._engine.apply(session.id, event, known=session, memo=memo)
        if step is None:
            raise errors.SessionNotFoundException
        if isinstance(step.answer, errors.KaskadError):
            raise step.answer
        return bool(step.answer)

    # --- what a caller may see -----------------------------------------------------------

    async def _session(self, caller: Caller, request_id: str) -> Session:
        """The session of an id, if the caller may use it."""
        return await self._allowed(caller, await self._own(caller, request_id))

    async def _session_of(
        self,
        caller: Caller,
        request_id: str,
        recipient: str | None,
        widget_id: str | None = None,
    ) -> Session:
        """The session of an id, if it verifies this recipient, given as in a query."""
        session = await self._own(caller, request_id)
        number, problems = self._number(recipient or "", session), {}
        if number is None:
            problems["recipient"] = NUMBER_EXPECTED
        if widget_id is not None and _uuid(widget_id) is None:
            problems["widgetId"] = "a UUID"
        if problems:
            raise errors.ValidateError(problems)
        session = await self._allowed(caller, session)
        if widget_id is not None and _uuid(widget_id) != session.widget:
            raise errors.SessionNotFoundException
        if number != session.recipient.number:
            raise errors.PhoneNumberMismatchException
        return session

    async def _own(self, caller: Caller, request_id: str) -> Session | None:
        """The session of an id, if there is one for the caller."""
        known = _uuid(request_id)
        session = await self._engine.read(known) if known else None
        return session if session is not None and caller.knows(session) else None

    async def _allowed(self, caller: Caller, session: Session | None) -> Session:
        """The same session, if it is one and the caller may use it."""
        if session is None:
            await self._count_unknown(caller)
            raise errors.SessionNotFoundException
        if not caller.may_use(session.widget):
            raise errors.ForbiddenException
        return session

    def _number(self, text: str, session: Session | None) -> str | None:
        """The number that a query names, read as the session's widget reads numbers."""
        if session is not None:
            own = session.recipient.number
            if text in (own, " " + own[1:]):
                return own
        widget = self._snapshot.widgets.get(session.widget) if session else None
        given = parse_query_recipient(text, widget.region if widget else self._region)
        return None if given is None else given.number

    async def _again(self, session_id: str) -> Session:
        session = await self._engine.read(session_id)
        if session is None:
            raise errors.SessionNotFoundException
        return session

    async def _count_unknown(self, caller: Caller) -> None:
        """Ids are not to be guessed: a caller may ask for so many unknown ones."""
        subject = self._engine.blind(caller.tenant, f"unknown:{caller.id}")
        now = self._engine.clock.now()
        wait = await self._engine.store.take(subject, UNKNOWN_IDS, now)
        if wait is not None:
            raise errors.RateLimitException(retry_after_s=wait)


def _id_of(step: Step) -> str:
    return step.session.id


def _raised(answer: bool | type[errors.KaskadError]) -> bool:  # noqa: FBT001
    if isinstance(answer, bool):
        return answer
    raise answer


def _uuid(text: str) -> str | None:
    """The canonical form of a UUID; ``None`` when it is none."""
    return text.lower() if _UUID(text) else None
