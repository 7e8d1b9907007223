"""What the application needs from the outside, declared by the side that calls it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from kaskad.core.cascade import Cascade
from kaskad.core.effects import Effect, Step
from kaskad.core.inputs import Input
from kaskad.core.limits import Window
from kaskad.core.model import Channel, ChannelType, CodeType, ReportKind, Session, Value, Widget

# --- time and chance -------------------------------------------------------------


class Timer(Protocol):
    """A callback that has been asked for."""

    def cancel(self) -> None:
        """Forget it; harmless when it has run already."""


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """The time, aware, in UTC; it never runs backwards while the process lives."""

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Call back from the event loop at ``when``, or soon if that has passed."""


class Timebase(Value, frozen=True, kw_only=True):
    """What a clock started with: its time when the machine (named by ``boot``) was started.

    Two clocks of one ``boot`` differ by what the system's clock was set by between them.
    """

    boot: str
    epoch: float


class Entropy(Protocol):
    """The only source of chance."""

    def uuid(self) -> str:
        """A new UUID, version 4, in its canonical form."""

    def token(self, size: int) -> bytes:
        """That many unguessable bytes."""

    def jitter(self) -> float:
        """A number from 0 up to, not including, 1; not for secrets."""


class Telemetry(Protocol):
    """Where the application says what happened, for figures and nothing else."""

    def started(self, session: Session) -> None:
        """A session has begun."""

    def happened(self, event: Input, before: Session, step: Step) -> None:
        """An input has changed a session."""

    def handed_over(self, lane: str, outcome: str, seconds: float) -> None:
        """A driver has answered; ``seconds`` since the job was due."""

    def passed_over(self, lane: str) -> None:
        """A message was not handed over: its provider rests, and there was another way."""

    def resting(self, lane: str, *, begins: bool) -> None:
        """A provider begins to rest, or is back."""

    def dead_letter(self, lane: str) -> None:
        """A job could not be carried out, through a fault of ours."""

    def answered(self, call: str, status: int, seconds: float) -> None:
        """A call of the API was answered."""

    def judged(self, provider: str, finding: str) -> None:
        """A captcha's token was judged."""

    def held(self, change: int) -> None:
        """So many more, or fewer, calls are held."""


# --- configuration ---------------------------------------------------------------


class Provider(Value, frozen=True, kw_only=True):
    """A configured account at a messaging service; ``settings`` are the driver's own."""

    id: str
    tenant: str
    driver: str
    settings: Mapping[str, object]

    def __repr__(self) -> str:
        return f"Provider(id={self.id!r}, tenant={self.tenant!r}, driver={self.driver!r})"


class ApiToken(Value, frozen=True, kw_only=True):
    """A bearer token as it is kept; no ``widgets`` means every widget of its tenant."""

    id: str
    tenant: str
    name: str
    hash: bytes
    widgets: tuple[str, ...] = ()
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Neither revoked nor expired."""
        revoked = self.revoked_at is not None and self.revoked_at <= now
        expired = self.expires_at is not None and self.expires_at <= now
        return not revoked and not expired

    @property
    def actor(self) -> str:
        """The caller as the audit trail names it."""
        return f"token:{self.name}"

    @property
    def owner(self) -> None:
        """Back ends hold as many calls as they like."""
        return

    def owner_of(self, _: str) -> str:
        """Whose an idempotency key is: the token's."""
        return self.id

    def knows(self, thing: Widget | Session) -> bool:
        """Whether it exists for this caller: everything of its tenant does."""
        return thing.tenant == self.tenant

    def may_use(self, widget: str) -> bool:
        """Whether the token's scope has this widget of its tenant."""
        return not self.widgets or widget in self.widgets


class Snapshot(Value, frozen=True, kw_only=True):
    """The whole configuration at one moment. Channels and providers go by (tenant, id)."""

    revision: int = 0
    widgets: Mapping[str, Widget] = {}
    channels: Mapping[tuple[str, str], Channel] = {}
    providers: Mapping[tuple[str, str], Provider] = {}
    tokens: Mapping[bytes, ApiToken] = {}

    def cascade(self, widget_id: str) -> Cascade:
        """A widget and its channels; without channels when it may start nothing."""
        widget = self.widgets.get(widget_id)
        if widget is None or widget.blocked or not widget.active:
            return Cascade(widget=widget, channels=())
        found = (self.channels.get((widget.tenant, c)) for c in widget.channels)
        return Cascade(widget=widget, channels=tuple(c for c in found if c is not None))


class Catalog(Protocol):
    """The configuration, cached: reading it costs an attribute."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest configuration known; at most a second behind any other process."""

    async def note_token_use(self, used: Mapping[str, datetime]) -> None:
        """Remember when tokens (by id) were last used."""

    async def audit(
        self, *, tenant: str, actor: str, action: str, subject: str, at: datetime
    ) -> None:
        """Append a row to the audit trail."""


# --- sessions, jobs, limits ------------------------------------------------------


class Job(Value, frozen=True, kw_only=True):
    """Work for the provider of a launch. It has ids only, no text and no code.

    ``doubtful``: the provider may have the message from a try whose end nobody knows.
    """

    session: str
    launch: int
    lane: str
    due_at: datetime
    expires_at: datetime
    tries: int = 0
    doubtful: bool = False


class Claim(Value, frozen=True, kw_only=True):
    """A job on lease. ``fence`` is worthless once somebody else has claimed the job."""

    job: Job
    fence: int


class LetterKind(StrEnum):
    """Why a job could not be carried out, through a fault of ours."""

    UNMADE = "unmade"
    FAILED = "failed"


class DeadLetter(Value, frozen=True, kw_only=True):
    """A job that could not be carried out.

    Its message could not be made, or handing it over failed in a way that nobody foresaw.

    ``reason`` is short and holds no number, code or text. ``type`` is ``None`` when
    not even the session could be read; ``tries`` are those before the last one.
    """

    session: str
    launch: int
    lane: str
    kind: LetterKind
    reason: str
    tries: int
    at: datetime
    type: ChannelType | None = None


class Remembered(Value, frozen=True, kw_only=True):
    """The answer to a call with an ``Idempotency-Key``, kept until ``expires_at``."""

    key: bytes
    fingerprint: bytes
    answer: bytes
    expires_at: datetime


class Change(Value, frozen=True, kw_only=True):
    """A session's new record with all its effects: everything is stored, or nothing.

    ``expected`` is the version that the decision was made on, 0 for a new
    session. With a ``claim`` the change is refused once the job is not ours.
    """

    session: Session
    expected: int
    effects: tuple[Effect, ...] = ()
    claim: Claim | None = None
    remember: Remembered | None = None


class Committed(Value, frozen=True, kw_only=True):
    """The change is durable."""


class Conflict(Value, frozen=True, kw_only=True):
    """Somebody else was faster: load again and decide again."""


class Fenced(Value, frozen=True, kw_only=True):
    """The claim is stale: whoever holds the job now decides."""


class Refused(Value, frozen=True, kw_only=True):
    """A limit has no room for ``retry_after_s`` seconds; nothing was counted."""

    subject: str
    retry_after_s: int


class Duplicate(Value, frozen=True, kw_only=True):
    """The idempotency key is taken: read what it remembers."""


Verdict = Committed | Conflict | Fenced | Refused | Duplicate


class ReadMarks(Value, frozen=True, kw_only=True):
    """What readers of a session have seen. Soft: losing it costs one repeated answer."""

    launch: int = 1
    code_type: CodeType | None = None
    delivered_view: int = 0


class StoreUnavailableError(Exception):
    """The store cannot promise anything now; nothing was changed."""


class Store(Protocol):
    """Sessions, their jobs and the limits, with one atomic step over all three.

    Everything that is read has been made durable before. Every method may raise
    :class:`StoreUnavailableError`.
    """

    async def load(self, session_id: str) -> Session | None:
        """The session, or ``None`` when there is none or it is long gone.

        A commit of it that is under way in this process is over by then, also one
        whose caller was cancelled.
        """

    async def commit(self, change: Change) -> Verdict:
        """Apply a change if everything that it rests on still holds."""

    async def take(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """Count a hit if there is room; else the seconds until there is."""

    async def wait(self, subject: str, windows: Sequence[Window], now: datetime) -> int | None:
        """The seconds until there is room for a hit, ``None`` if there is; counts nothing."""

    async def remembered(self, key: bytes, now: datetime) -> Remembered | None:
        """What an idempotency key answered."""

    async def claim(self, lane: str, *, limit: int, lease_s: float, now: datetime) -> list[Claim]:
        """Take up to ``limit`` due jobs of a lane; jobs past their expiry are dropped.

        A job whose lease ran out, or that was there before this process, is doubtful.
        """

    async def extend(self, claims: Sequence[Claim], *, lease_s: float, now: datetime) -> None:
        """Hold claims longer; those that are stale stay stale."""

    async def release(self, claim: Claim, *, due_at: datetime) -> bool:
        """Give a job back as the claim has it, to be tried again at ``due_at``, a try older.

        ``False`` when the claim is stale: the job is somebody else's now, or gone.
        """

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter: of those of a week, the newest thousand are kept."""

    async def dead_letters(self, now: datetime) -> list[DeadLetter]:
        """The dead letters that are kept, newest first."""

    async def lanes(self) -> Mapping[str, datetime]:
        """For every lane with jobs, when the first of them is due."""

    async def due(self, now: datetime, limit: int) -> list[str]:
        """Sessions with a deadline that has come."""

    async def next_due(self) -> datetime | None:
        """The earliest deadline of all sessions."""

    async def marks(self, session_id: str) -> ReadMarks:
        """What readers of a session have seen."""

    async def mark(self, session_id: str, marks: ReadMarks) -> None:
        """Remember what readers have seen; never a reason to wake anybody."""

    async def purge(self, now: datetime) -> int:
        """Remove what no rule needs any more; how many records that were."""

    def sizes(self) -> Mapping[str, int]:
        """How many records of each kind there are, for the figures."""

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call back, in the event loop, with the id of each session that has changed."""

    async def check(self) -> None:
        """Raise :class:`StoreUnavailableError` when a commit would fail now."""

    async def close(self) -> None:
        """Make everything durable and let go."""


# --- captchas --------------------------------------------------------------------


class Finding(StrEnum):
    """What became of a captcha's token."""

    PASSED = "passed"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"


class Judgement(Value, frozen=True, kw_only=True):
    """What a token is worth. One that passed is good for once, by its ``key``, ``until`` then.

    ``misset``: it was refused for the widget's own keys, as every other one will be.
    """

    finding: Finding
    reason: str = ""
    misset: bool = False
    key: str = ""
    until: datetime | None = None


class Captchas(Protocol):
    """Whoever judges tokens. Tokens and keys are in no log and no message of an exception."""

    async def judge(self, widget: Widget, token: str, address: str) -> Judgement:
        """What a token of the widget's captcha is worth; ``address`` may be empty."""

    async def challenge(self, widget: Widget) -> Mapping[str, object] | None:
        """A new challenge for a page; ``None``: this captcha's come from elsewhere."""


# --- providers -------------------------------------------------------------------


class Message(Value, frozen=True, kw_only=True):
    """What a driver hands to its provider.

    ``reference`` is the same at every try of the same launch: providers that
    deduplicate send once. ``code`` is ``None`` when codeless.
    """

    reference: str
    session: str
    launch: int
    recipient: str
    type: ChannelType
    label: str
    text: str
    code: str | None
    locale: str
    ttl_s: int

    def __repr__(self) -> str:
        return f"Message(reference={self.reference!r}, type={self.type!r})"


class Taken(Value, frozen=True, kw_only=True):
    """The provider accepted. ``code`` and ``code_type`` say what it changed."""

    provider_id: str = ""
    code: str | None = None
    code_type: CodeType | None = None

    def __repr__(self) -> str:
        return f"Taken(provider_id={self.provider_id!r})"


class Refusal(Value, frozen=True, kw_only=True):
    """The provider will never take this message; ``ours``: our account is to blame."""

    reason: str
    ours: bool = False


class Busy(Value, frozen=True, kw_only=True):
    """Not now: the provider asks for, or deserves, another try after a while."""

    reason: str
    retry_after_s: float | None = None


class Unknown(Value, frozen=True, kw_only=True):
    """It may have been taken. An ``idempotent`` driver may simply try again."""

    reason: str
    idempotent: bool = False


SendResult = Taken | Refusal | Busy | Unknown


class Driver(Protocol):
    """How to talk to one provider account."""

    async def send(self, message: Message) -> SendResult:
        """Hand a message over. May take as long as it likes: the caller has a deadline."""

    async def close(self) -> None:
        """Let go of connections and tasks."""


ReportSink = Callable[[str, int, ReportKind, str], None]
"""Where drivers put reports: session id, launch number, kind, reason."""


class Drivers(Protocol):
    """The configured accounts, by (tenant, provider id)."""

    def get(self, tenant: str, provider: str) -> Driver | None:
        """The driver of an account; ``None`` when it is not configured any more."""
