"""What the machine writes down of each session, without asking the system's rules."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from kaskad.core import inputs
from kaskad.core.model import CodeType, Launch, LaunchSettings, ReportKind, Session, WidgetLimits

WAITING, OUT, LOST = "waiting", "out", "lost"


@dataclass(slots=True)
class Message:
    """One launch as the outside knows it."""

    number: int
    channel: str
    started: datetime
    settings: LaunchSettings
    code_type: CodeType
    code: int | None
    fate: str = WAITING
    out_at: datetime | None = None
    unsure: bool = False
    parked: set[ReportKind] = field(default_factory=set)

    @property
    def answer_by(self) -> datetime:
        return self.started + timedelta(seconds=self.settings.send_timeout_s)

    @property
    def lifetime(self) -> timedelta:
        return timedelta(seconds=self.settings.lifetime_s)


@dataclass(slots=True)
class Track:
    """What the machine knows of a session by its own account."""

    id: str
    widget: str
    number: str
    last: Session
    asked: list[datetime]
    messages: list[Message] = field(default_factory=list)
    first_out: dict[int, datetime] = field(default_factory=dict)
    chosen: dict[int, str] = field(default_factory=dict)
    misses: int = 0
    channel_misses: dict[str, int] = field(default_factory=dict)
    good: set[str | None] = field(default_factory=set)
    completions: int = 0

    def message(self, number: int) -> Message | None:
        return self.messages[number - 1] if 0 < number <= len(self.messages) else None

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be confirmed, as far as the last record and the clock tell."""
        last = self.last
        over = last.over is not None or last.closing is not None or last.confirmed_at is not None
        return not over and now < last.expires_at

    def let_out(self, message: Message, at: datetime) -> None:
        message.fate, message.out_at = OUT, at
        if message.code is not None:
            self.first_out.setdefault(message.code, at)

    def deadline(self, message: Message) -> datetime:
        """When a message that is out stops to count."""
        assert message.out_at is not None
        if message.code is None:
            return message.out_at + message.lifetime
        newest = next(
            m for m in reversed(self.messages) if m.code == message.code and m.fate == OUT
        )
        assert newest.out_at is not None
        return min(
            self.first_out[message.code] + timedelta(seconds=600),
            newest.out_at + newest.lifetime,
        )

    def rest(self, message: Message) -> int:
        return message.settings.number_of_tries - self.channel_misses.get(message.channel, 0)

    def live(self, now: datetime) -> list[Message]:
        return [
            m
            for m in self.messages
            if m.fate == OUT and m.code is not None and now < self.deadline(m) and self.rest(m) > 0
        ]

    def time_out(self, now: datetime) -> None:
        """What time alone has done by now to messages that nobody answered for."""
        if not self.is_open(now):
            return
        for message in self.messages:
            if message.fate == WAITING and message.answer_by <= now:
                self.let_out(message, message.started)

    def observe(self, record: Session, now: datetime) -> None:
        """Take over the numbers that only the record knows; launches begin when they are seen."""
        for launch in record.launches[len(self.messages) :]:
            assert launch.started_at == now
            assert launch.number == len(self.messages) + 1
            self.messages.append(
                Message(
                    number=launch.number,
                    channel=launch.channel,
                    started=now,
                    settings=launch.settings,
                    code_type=launch.code_type,
                    code=launch.code,
                )
            )
        for message, launch in zip(self.messages, record.launches, strict=True):
            self._take_over(message, launch, now)
        self.last = record

    def _take_over(self, message: Message, launch: Launch, now: datetime) -> None:
        assert (launch.channel, launch.started_at) == (message.channel, message.started)
        if launch.code == message.code and launch.code_type is message.code_type:
            return
        assert launch.settings.lifetime_s == message.settings.lifetime_s
        message.code, message.code_type = launch.code, launch.code_type
        message.settings = launch.settings
        if message.fate == OUT and launch.code is not None:
            self.first_out.setdefault(launch.code, now)

    def enter(self, event: inputs.Input, now: datetime) -> None:
        """What the input itself does to the message that it names."""
        message = self.message(getattr(event, "launch", 0))
        if message is None:
            return
        if message.fate == WAITING:
            self._answer(message, event, now)
        elif event == inputs.Reported(launch=message.number, kind=ReportKind.DECLINED):
            self._spare(message)

    def _answer(self, message: Message, event: inputs.Input, now: datetime) -> None:
        match event:
            case inputs.Accepted():
                if event.code is not None and self._is_chosen(message):
                    assert message.code is not None
                    self.chosen[message.code] = event.code
                self.let_out(message, now)
            case inputs.Unsure():
                message.unsure = True
            case inputs.Rejected() | inputs.Errored():
                message.fate = LOST
            case inputs.Reported():
                message.parked.add(event.kind)
            case _:
                pass
        if message.fate == WAITING and message.unsure and message.parked:
            self.let_out(message, now)

    def _is_chosen(self, message: Message) -> bool:
        """Whether the provider's digits were taken: the record keeps a digest of them."""
        return message.code is not None and self.last.codes[message.code - 1].digest is not None

    def _spare(self, declined: Message) -> None:
        """A restart that still waits is not handed over once its channel is declined."""
        for message in self.messages:
            same = message.channel == declined.channel and message.fate == WAITING
            if same and declined.code_type is CodeType.CODELESS and declined.fate == OUT:
                message.fate = LOST

    def was_told(self, event: inputs.Input, now: datetime) -> bool:
        """Whether a verdict of the provider explains a confirmation at this moment."""
        return any(
            m.fate == OUT
            and m.code_type is CodeType.CODELESS
            and now < self.deadline(m)
            and (
                ReportKind.CONFIRMED in m.parked
                or event == inputs.Reported(launch=m.number, kind=ReportKind.CONFIRMED)
            )
            for m in self.messages
        )


def has_room(hits: Sequence[datetime], limits: WidgetLimits, now: datetime) -> bool:
    """Whether one more send fits, counted by hand."""
    ages = [(now - hit).total_seconds() for hit in hits]
    return (
        sum(age < 60 for age in ages) < limits.per_recipient_per_minute
        and sum(age < 3600 for age in ages) < limits.per_recipient_per_hour
    )
