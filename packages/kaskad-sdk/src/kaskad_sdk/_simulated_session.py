"""A verification of the simulation: the service's rules, as far as a client can tell them apart.

Time is a number of seconds that the caller gives; what came due meanwhile happens in
:meth:`SimulatedSession.settle`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Literal, TypeAlias

from kaskad_sdk import errors

Outcome: TypeAlias = Literal["deliver", "reject", "undelivered", "hang", "confirm", "decline"]
"""What becomes of a message: it comes; the provider refuses it; it is taken and then not
delivered; nobody ever answers; the person confirms or declines (codeless channels)."""

Kind: TypeAlias = type[errors.OtpException]

LONGEST_CODE_LIFE_S: Final = 600.0
SHORTEST_CODE_LIFE_S: Final = 60.0
AFTER_CONFIRMATION_S: Final = 300.0
CODELESS: Final = frozenset({"sim_push", "telegram", "callback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedChannel:
    """A channel of a simulated widget, and what becomes of every message that goes over it.

    Durations are in seconds; ``delay_s`` is the time until the outcome.
    """

    type: str = "sms"
    label: str = "SMS"
    outcome: Outcome = "deliver"
    delay_s: float = 0.0
    code_length: int = 6
    lifetime_s: int = 300
    number_of_tries: int = 3
    number_of_restart: int = 1
    restart_cooldown_s: int = 30
    send_timeout_s: int = 10

    @property
    def codeless(self) -> bool:
        """Whether the person confirms elsewhere."""
        return self.type in CODELESS


@dataclass(slots=True, kw_only=True)
class Launch:
    """One start of one channel."""

    channel: SimulatedChannel
    place: int
    started_at: float
    code: int | None
    state: Literal["wait", "sent", "failed", "ended"] = "wait"
    sent_at: float | None = None
    done: bool = False


@dataclass(slots=True, kw_only=True)
class SimulatedSession:
    """One verification."""

    id: str
    widget: str
    recipient: str
    cascade: Sequence[SimulatedChannel]
    codes: Sequence[str]
    expires_at: float
    attempts: int = 5
    launches: list[Launch] = field(default_factory=list)
    current: int = -1
    misses: dict[int, int] = field(default_factory=dict)
    missed: int = 0
    barred: set[int] = field(default_factory=set)
    first_sent: dict[int, float] = field(default_factory=dict)
    confirmed_at: float | None = None
    good_codes: set[str] = field(default_factory=set)
    over: Kind | None = None
    closed: bool = False
    version: int = 1
    channel_version: int = 1
    shown: object = None
    seen: tuple[int, bool] | None = None
    delivered: int = 0
    news: list[Launch] = field(default_factory=list)
    """Launches whose message has just come to the person."""

    # --- time ----------------------------------------------------------------------------------

    @property
    def launch(self) -> Launch:
        """The current launch."""
        return self.launches[self.current]

    def start(self, now: float) -> None:
        """Launch the first channel."""
        self._launch(0, now)
        self.seen = self._face()
        self.settle(now)

    def settle(self, now: float) -> None:
        """Let everything happen that is due, in order, and number the view anew if it changed."""
        while (due := self.due()) is not None and due <= now:
            self._happen(due)
            self._number()
        self._number()

    def due(self) -> float | None:
        """When it changes by itself next; ``None`` when it does not any more."""
        if self.closed:
            return None
        moments = [self.expires_at]
        if self.confirmed_at is None and self.over is None:
            launch, channel = self.launch, self.launch.channel
            if launch.state == "wait":
                moments.append(launch.started_at + self._answered_after(channel))
            elif launch.state == "sent":
                moments.append(self._deadline(launch))
                if channel.outcome not in {"deliver", "hang"} and not launch.done:
                    moments.append(launch.started_at + channel.delay_s)
        return min(moments)

    def _answered_after(self, channel: SimulatedChannel) -> float:
        if channel.outcome in {"deliver", "reject"} and channel.delay_s < channel.send_timeout_s:
            return channel.delay_s
        return (
            0.0 if channel.outcome not in {"deliver", "reject", "hang"} else channel.send_timeout_s
        )

    def _happen(self, now: float) -> None:
        launch = self.launch
        if now >= self.expires_at:
            self.closed = True
        elif launch.state == "wait":
            self._answered(launch, now)
        elif now >= self._deadline(launch):
            launch.state = "ended"
        else:
            self._later(launch, now)

    def _answered(self, launch: Launch, now: float) -> None:
        outcome = launch.channel.outcome
        if outcome == "reject":
            launch.state = "failed"
            self._move(now, definite=True)
        elif outcome == "hang" or launch.channel.delay_s >= launch.channel.send_timeout_s:
            launch.state = "failed"
            self._sent(launch, launch.started_at)
            self._move(now, definite=False)
        else:
            launch.state = "sent"
            self._sent(launch, now)
            if outcome != "undelivered":
                self.news.append(launch)

    def _sent(self, launch: Launch, at: float) -> None:
        launch.sent_at = at
        if launch.code is not None:
            self.first_sent.setdefault(launch.code, at)

    def _later(self, launch: Launch, now: float) -> None:
        launch.done = True
        if launch.channel.outcome == "undelivered":
            launch.state = "failed"
            launch.sent_at = None
            self._move(now, definite=True)
        elif launch.channel.codeless:
            self.answer(launch, now, yes=launch.channel.outcome == "confirm")

    def answer(self, launch: Launch, now: float, *, yes: bool) -> None:
        """The person confirms or declines elsewhere."""
        launch.done = True
        if yes:
            self._confirm(now)
        elif self.confirmed_at is None:
            launch.state = "ended"
            self.barred.add(launch.place)

    def _move(self, now: float, *, definite: bool) -> None:
        following = self._next_place()
        if following is not None:
            self._launch(following, now)
            return
        if not definite and self._restartable() is not None:
            self.launch.state = "ended"
            return
        for place in reversed(range(self.current)):
            if self.launches[place] in self._live(now):
                self.current = place
                return
        self.over = errors.NoAvailableChannelsException

    # --- the cascade ---------------------------------------------------------------------------

    def _launch(self, place: int, now: float) -> None:
        channel = self.cascade[place]
        code = None if channel.codeless else self._code_for(channel, now)
        self.launches.append(Launch(channel=channel, place=place, started_at=now, code=code))
        self.current = len(self.launches) - 1

    def _code_for(self, channel: SimulatedChannel, now: float) -> int:
        newest = max((x.code for x in self.launches if x.code is not None), default=0)
        if newest not in self.first_sent:
            return newest
        left = self.first_sent[newest] + LONGEST_CODE_LIFE_S - now
        dead = self._code_deadline(newest) <= now
        short = left < min(SHORTEST_CODE_LIFE_S, channel.lifetime_s)
        return newest + 1 if dead or short else newest

    def _next_place(self) -> int | None:
        used = {x.place for x in self.launches} | self.barred
        places = range(self.launch.place + 1, len(self.cascade))
        return next((place for place in places if place not in used), None)

    def _restartable(self) -> int | None:
        place = self.launch.place
        restarts = sum(x.place == place for x in self.launches) - 1
        may = place not in self.barred and restarts < self.cascade[place].number_of_restart
        return place if may else None

    def _following(self) -> tuple[str, SimulatedChannel] | None:
        place = self._restartable()
        if place is not None:
            return "restart", self.cascade[place]
        place = self._next_place()
        return None if place is None else ("channel", self.cascade[place])

    # --- codes ---------------------------------------------------------------------------------

    def code(self, launch: Launch) -> str | None:
        """The digits that go with a launch."""
        if launch.code is None:
            return None
        return self.codes[launch.code % len(self.codes)][: launch.channel.code_length]

    def _code_deadline(self, number: int) -> float:
        sent = [
            x.sent_at + x.channel.lifetime_s
            for x in self.launches
            if x.code == number and x.sent_at is not None
        ]
        first = self.first_sent.get(number)
        if first is None or not sent:
            return self.expires_at
        return min(first + LONGEST_CODE_LIFE_S, sent[-1])

    def _deadline(self, launch: Launch) -> float:
        if launch.code is not None:
            return self._code_deadline(launch.code)
        return (launch.sent_at or launch.started_at) + launch.channel.lifetime_s

    def _rest(self, launch: Launch) -> int:
        return launch.channel.number_of_tries - self.misses.get(launch.place, 0)

    def _live(self, now: float) -> list[Launch]:
        return [
            x
            for x in self.launches
            if x.code is not None
            and x.sent_at is not None
            and now < self._code_deadline(x.code)
            and self._rest(x) > 0
        ]

    # --- what is asked of it -------------------------------------------------------------------

    def refusal(self) -> Kind | None:
        """The error of its state."""
        if self.closed:
            return errors.SessionClosedException
        if self.confirmed_at is not None:
            return None
        if self.over is not None:
            return self.over
        if self.launch.state == "ended":
            over = self._following() is None
            return errors.NoAvailableChannelsException if over else errors.ResendChannelException
        return None

    def check(self, typed: str, now: float) -> bool:
        """Whether the code is right; raises otherwise."""
        typed = "".join(c for c in typed if c not in " -")
        if self.closed or self.over is not None:
            raise self.refusal() or errors.SessionClosedException
        if self.confirmed_at is not None:
            if typed in self.good_codes:
                return True
            raise errors.InvalidCodeException
        live = self._live(now)
        if not live:
            refusal = self.refusal()
            if refusal is None and self.launch.channel.codeless:
                raise errors.IsCodelessChannelException
            raise refusal or errors.InvalidCodeException
        if typed in {self.code(x) for x in live}:
            self._confirm(now)
            self.good_codes = {code for x in live if (code := self.code(x)) is not None}
            return True
        return self._missed(live)

    def _missed(self, live: list[Launch]) -> bool:
        self.missed += 1
        for place in {x.place for x in live}:
            self.misses[place] = self.misses.get(place, 0) + 1
        typed_here = not self.launch.channel.codeless
        if self.missed >= self.attempts or (typed_here and self._rest(self.launch) <= 0):
            self.over = errors.AttemptsExpiredException
            raise self.over
        raise errors.InvalidCodeException

    def _confirm(self, now: float) -> None:
        if self.confirmed_at is None and not self.closed:
            self.confirmed_at = now
            self.expires_at = max(self.expires_at, now + AFTER_CONFIRMATION_S)

    def resend(self, now: float, *, another_way: bool) -> bool:
        """Launch again, or the next channel; raises when that may not be."""
        if self.confirmed_at is not None:
            raise errors.SessionAlreadyConfirmedException
        if self.closed:
            raise errors.NoAvailableChannelsException
        if self.over is not None:
            raise self.over
        place = None if another_way else self._restartable()
        place = self._next_place() if place is None else place
        if place is None:
            raise errors.NoAvailableChannelsException
        early = self._cooldown_end() - now
        if self.launch.state != "ended" and early > 0:
            seconds = max(1, ceil(early))
            raise errors.RestartCooldownActiveException(payload={"retryAfter": seconds})
        self._launch(place, now)
        return True

    def _cooldown_end(self) -> float:
        launch = self.launch
        begun = launch.sent_at
        if begun is None:
            begun = launch.started_at + launch.channel.send_timeout_s
        return begun + launch.channel.restart_cooldown_s

    def collect(self, *, tell: bool) -> bool:
        """Hand the verdict over, once; with ``tell``, raises why there is none."""
        refusal = self.refusal()
        if self.confirmed_at is not None and not self.closed:
            self.closed = True
            return True
        if tell and refusal is not None and not self.closed:
            raise refusal
        return False

    def cancel(self) -> bool:
        """Give it up."""
        if self.closed or self.confirmed_at is not None:
            return False
        self.closed = True
        return True

    # --- what is shown of it -------------------------------------------------------------------

    @property
    def status(self) -> str:
        """Where it stands, while nothing is wrong."""
        return "confirmed" if self.confirmed_at is not None else self.launch.state

    @property
    def expires(self) -> float:
        """Until when the current channel can confirm."""
        if self.status != "sent":
            return self.expires_at
        return min(self._deadline(self.launch), self.expires_at)

    @property
    def resend_at(self) -> float | None:
        """From when a resend is accepted."""
        if self.confirmed_at is not None or self._following() is None:
            return None
        return self._cooldown_end()

    @property
    def next_move(self) -> tuple[str, SimulatedChannel] | None:
        """What a resend would do."""
        return None if self.confirmed_at is not None else self._following()

    @property
    def another_way(self) -> tuple[str, SimulatedChannel] | None:
        """What a resend that skips the restarts would do."""
        place = None if self.confirmed_at is not None else self._next_place()
        return None if place is None else ("channel", self.cascade[place])

    @property
    def remaining(self) -> int:
        """Tries that are left."""
        if self.launch.channel.codeless:
            return 0
        return max(0, min(self._rest(self.launch), self.attempts - self.missed))

    def _face(self) -> tuple[int, bool]:
        return self.current, self.launch.channel.codeless

    @property
    def changed(self) -> bool:
        """Whether nobody has read the current channel yet."""
        return self.seen != self._face()

    def read(self) -> None:
        """Somebody reads the current channel."""
        if self.refusal() is None:
            self.seen = self._face()

    def _number(self) -> None:
        look = (
            self.refusal(),
            self.status,
            self._face(),
            self.expires,
            self.resend_at,
            self.remaining,
        )
        if self.shown is not None and look != self.shown:
            self.version += 1
            if self.shown[2] != look[2]:  # type: ignore[index]  # it is such a tuple
                self.channel_version = self.version
        self.shown = look


def described(move: tuple[str, SimulatedChannel] | None) -> dict[str, object] | None:
    """A move as the service tells it."""
    return move and {"action": move[0], "type": move[1].type, "label": move[1].label}
