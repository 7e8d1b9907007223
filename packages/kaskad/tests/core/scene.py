"""One session at a clock that the test moves: short sentences for tables of rules."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Self

from msgspec.structs import replace

from kaskad.core import codes, inputs
from kaskad.core.cascade import Cascade, Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import Answer, DropJob, Effect, PushJob, Step, Take
from kaskad.core.errors import KaskadError
from kaskad.core.model import (
    Channel,
    ChannelType,
    CodeType,
    Launch,
    LaunchSettings,
    NumberType,
    Recipient,
    ReportKind,
    Rules,
    Session,
    State,
    Template,
    TestRecipient,
    Widget,
    WidgetLimits,
)
from kaskad.core.session import Start, advance, start
from kaskad.core.view import View, view

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEYS = Keyring([b"k" * 32])
RUSSIAN = Recipient(number="+79001234567", country="RU", number_type=NumberType.MOBILE)
WRONG = "none of them"
TEXT = (Template(locale="ru", text="{{ code }}"),)

Outcome = bool | str | None
"""An answer as tests compare it: the name of an error stands for the error."""


def outcome(answer: Answer) -> Outcome:
    return answer.type if isinstance(answer, KaskadError) else answer


def channel(
    name: str = "sms",
    kind: ChannelType = ChannelType.SMS,
    *,
    enabled: bool = True,
    rules: Rules = Rules(),  # noqa: B008 (immutable)
    templates: tuple[Template, ...] = TEXT,
    code_length: int = 6,
    beautify: bool = False,
    lifetime: int = 300,
    tries: int = 3,
    restarts: int = 1,
    cooldown: int = 30,
    send_timeout: int = 10,
) -> Channel:
    return Channel(
        id=name,
        type=kind,
        label=name.upper(),
        provider=f"{name}-provider",
        enabled=enabled,
        rules=rules,
        templates=templates,
        settings=LaunchSettings(
            code_length=code_length,
            beautify=beautify,
            lifetime_s=lifetime,
            number_of_tries=tries,
            number_of_restart=restarts,
            restart_cooldown_s=cooldown,
            send_timeout_s=send_timeout,
        ),
    )


def sms(name: str = "sms", **settings: int) -> Channel:
    """A channel that nothing follows on its own: no restarts unless asked for."""
    return channel(name, **{"restarts": 0, **settings})  # type: ignore[arg-type]  # all ints


def push(name: str = "push", **settings: int) -> Channel:
    return channel(name, ChannelType.SIM_PUSH, **{"restarts": 0, **settings})  # type: ignore[arg-type]  # all ints


class Scene:
    """A widget with its channels, a clock, and one session."""

    def __init__(
        self,
        *channels: Channel,
        limits: WidgetLimits | None = None,
        keys: Keyring = KEYS,
        to: Recipient = RUSSIAN,
        locale: str = "ru",
        lifetime: int = 900,
        test: TestRecipient | None = None,
        address: str | None = None,
        name: str = "session",
    ) -> None:
        self.channels = channels or (sms(),)
        self.widget: Widget | None = Widget(
            id="widget", tenant="tenant", name="Widget", limits=limits or WidgetLimits()
        )
        self.keys = keys
        self.now = NOON
        wish = Start(
            id=name,
            widget=self.widget,
            recipient=to,
            locale=locale,
            lifetime_s=lifetime,
            address=address,
            test=test,
        )
        begun = start(wish, self.now, self.context)
        assert isinstance(begun, Step), begun
        self.step = begun
        self.session: Session = begun.session

    # --- the catalogue and the clock

    @property
    def context(self) -> Context:
        return Context(
            cascade=Cascade(widget=self.widget, channels=self.channels), keyring=self.keys
        )

    def change(self, name: str, **settings: int) -> Self:
        """Edit the settings of a channel in the catalogue."""
        self.channels = tuple(
            replace(c, settings=replace(c.settings, **settings)) if c.id == name else c
            for c in self.channels
        )
        return self

    def at(self, seconds: float) -> Self:
        self.now = NOON + timedelta(seconds=seconds)
        return self

    def after(self, seconds: float) -> Self:
        self.now += timedelta(seconds=seconds)
        return self

    # --- inputs

    def do(self, event: inputs.Input) -> Outcome:
        self.step = advance(self.session, event, self.now, self.context)
        self.session = self.step.session
        return outcome(self.step.answer)

    def tick(self) -> Self:
        self.do(inputs.Tick())
        return self

    def accept(
        self,
        launch: int | None = None,
        *,
        code: str | None = None,
        turned: CodeType | None = None,
    ) -> Self:
        number = launch or self.session.current
        self.do(inputs.Accepted(launch=number, code=code, code_type=turned))
        return self

    def reject(self, launch: int | None = None) -> Self:
        self.do(inputs.Rejected(launch=launch or self.session.current, reason="no"))
        return self

    def error(self, launch: int | None = None) -> Self:
        self.do(inputs.Errored(launch=launch or self.session.current, reason="oops"))
        return self

    def unsure(self, launch: int | None = None) -> Self:
        self.do(inputs.Unsure(launch=launch or self.session.current, reason="silence"))
        return self

    def report(self, kind: str, launch: int | None = None) -> Self:
        number = self.session.current if launch is None else launch
        self.do(inputs.Reported(launch=number, kind=ReportKind(kind)))
        return self

    def turn(self, to: CodeType, launch: int | None = None) -> Self:
        self.do(inputs.Turned(launch=launch or self.session.current, code_type=to))
        return self

    def check(self, code: str = WRONG) -> Outcome:
        return self.do(inputs.CheckCode(code=code))

    def resend(self, *, another_way: bool = False) -> Outcome:
        return self.do(inputs.Resend(next=another_way))

    def complete(self) -> Outcome:
        return self.do(inputs.Complete())

    def check_and_complete(self) -> Outcome:
        return self.do(inputs.CheckAndComplete())

    def cancel(self) -> Outcome:
        return self.do(inputs.Cancel())

    # --- what there is to see

    @property
    def state(self) -> State:
        return self.session.state

    @property
    def launch(self) -> Launch:
        return self.session.launch

    @property
    def stands(self) -> tuple[State, str, int]:
        """State, current channel, number of the current launch."""
        return self.state, self.launch.channel, self.launch.number

    @property
    def seen(self) -> str:
        """The status or the error of the channel call."""
        shown = self.shown
        return shown.status.value if isinstance(shown, View) else shown.type

    @property
    def shown(self) -> View | type[KaskadError]:
        return view(self.session)

    @property
    def page(self) -> View:
        shown = self.shown
        assert isinstance(shown, View), shown
        return shown

    def code(self, launch: int | None = None) -> str:
        """The digits that the message of a launch carries."""
        number = self.session.launches[(launch or self.session.current) - 1].code
        assert number is not None
        digits = codes.digits(self.session.codes[number - 1], self.session.id, self.keys)
        assert digits is not None
        return digits

    def seconds(self, instant: datetime | None) -> float | None:
        """An instant as seconds since the start."""
        return None if instant is None else (instant - NOON).total_seconds()

    @property
    def jobs(self) -> tuple[Effect, ...]:
        return tuple(e for e in self.step.effects if isinstance(e, PushJob | DropJob))

    @property
    def takes(self) -> tuple[Take, ...]:
        return tuple(e for e in self.step.effects if isinstance(e, Take))

    def misses_of(self, name: str) -> int:
        return dict(self.session.channel_misses).get(name, 0)

    def timeline(self) -> Iterator[tuple[str, int | None, str]]:
        return ((entry.input, entry.launch, entry.reason) for entry in self.session.timeline)
