"""What the machine drives: any system with sessions, and the pure core as one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from kaskad.core import codes, inputs
from kaskad.core.cascade import Cascade, Context
from kaskad.core.codes import Keyring
from kaskad.core.effects import DropJob, Effect, PushJob, Step, Take
from kaskad.core.limits import wait_for_room
from kaskad.core.model import Channel, CodeType, Recipient, ReportKind, Session, Widget
from kaskad.core.session import Start, advance, start
from kaskad.core.view import View, view, wake_at
from packages.kaskad.tests.core.scene import KEYS, NOON, Outcome, outcome


class Opened(NamedTuple):
    """A send that was granted."""

    session: str


class System(ABC):
    """What the machine needs of a system under test. Sessions are named by their ids."""

    @property
    @abstractmethod
    def now(self) -> datetime:
        """The system's clock; it moves only in :meth:`advance_time`."""

    @abstractmethod
    def configure(self, widget: Widget, channels: Sequence[Channel]) -> None:
        """Add or replace a widget with the cascade that it has from now on."""

    @abstractmethod
    def advance_time(self, seconds: float, *, asleep: bool) -> None:
        """Let time pass; ``asleep``: deadlines are noticed only when somebody calls."""

    @abstractmethod
    def send(self, widget: str, to: Recipient, address: str | None) -> Opened | str:
        """Ask for a verification."""

    @abstractmethod
    def do(self, session: str, event: inputs.Input) -> Outcome:
        """Give the session an input: a call of the API, a provider's answer or a report."""

    @abstractmethod
    def state(self, session: str) -> Session:
        """The record as it stands."""

    @abstractmethod
    def digits(self, session: str, launch: int) -> str | None:
        """What the message of a launch says; ``None`` when it has no code of ours."""

    @abstractmethod
    def jobs(self, session: str) -> set[int]:
        """The launches that wait to be handed to a provider."""

    # --- the inputs by name

    def check(self, session: str, code: str) -> Outcome:
        return self.do(session, inputs.CheckCode(code=code))

    def resend(self, session: str, *, another_way: bool) -> Outcome:
        return self.do(session, inputs.Resend(next=another_way))

    def complete(self, session: str) -> Outcome:
        return self.do(session, inputs.Complete())

    def check_and_complete(self, session: str) -> Outcome:
        return self.do(session, inputs.CheckAndComplete())

    def cancel(self, session: str) -> Outcome:
        return self.do(session, inputs.Cancel())

    def accept(
        self, session: str, launch: int, code: str | None, code_type: CodeType | None
    ) -> Outcome:
        return self.do(session, inputs.Accepted(launch=launch, code=code, code_type=code_type))

    def reject(self, session: str, launch: int) -> Outcome:
        return self.do(session, inputs.Rejected(launch=launch))

    def error(self, session: str, launch: int) -> Outcome:
        return self.do(session, inputs.Errored(launch=launch))

    def unsure(self, session: str, launch: int) -> Outcome:
        return self.do(session, inputs.Unsure(launch=launch))

    def report(self, session: str, launch: int, kind: ReportKind) -> Outcome:
        return self.do(session, inputs.Reported(launch=launch, kind=kind))

    def turn(self, session: str, launch: int, code_type: CodeType) -> Outcome:
        return self.do(session, inputs.Turned(launch=launch, code_type=code_type))

    def view(self, session: str) -> View | str:
        """What the channel call answers: a body or the type of an error."""
        self.do(session, inputs.Tick())
        shown = view(self.state(session))
        return shown if isinstance(shown, View) else shown.type


class CoreSystem(System):
    """The pure core with a dictionary for a store."""

    def __init__(self, keys: Keyring = KEYS) -> None:
        self._now = NOON
        self._keys = keys
        self._catalogue: dict[str, Cascade] = {}
        self._sessions: dict[str, Session] = {}
        self._jobs: dict[str, set[int]] = {}
        self._hits: dict[str, list[datetime]] = {}

    @property
    def now(self) -> datetime:
        return self._now

    def configure(self, widget: Widget, channels: Sequence[Channel]) -> None:
        starts = widget.active and not widget.blocked
        self._catalogue[widget.id] = Cascade(
            widget=widget, channels=tuple(channels) if starts else ()
        )

    def advance_time(self, seconds: float, *, asleep: bool) -> None:
        self._now += timedelta(seconds=seconds)
        if asleep:
            return
        for name, session in self._sessions.items():
            due = wake_at(session)
            if due is not None and due <= self._now:
                self.do(name, inputs.Tick())

    def send(self, widget: str, to: Recipient, address: str | None) -> Opened | str:
        cascade = self._catalogue[widget]
        assert cascade.widget is not None
        name = f"session-{len(self._sessions)}"
        wish = Start(
            id=name,
            widget=cascade.widget,
            recipient=to,
            locale="ru",
            lifetime_s=900,
            address=address,
        )
        step = start(wish, self._now, Context(cascade=cascade, keyring=self._keys))
        if not isinstance(step, Step):
            return step.type
        takes = [effect for effect in step.effects if isinstance(effect, Take)]
        if any(wait_for_room(self._taken(t), t.windows, self._now) for t in takes if t.refuse):
            return "RateLimitException"
        self._sessions[name] = step.session
        self._carry_out(name, step.effects)
        return Opened(name)

    def do(self, session: str, event: inputs.Input) -> Outcome:
        before = self._sessions[session]
        context = Context(cascade=self._catalogue[before.widget], keyring=self._keys)
        step = advance(before, event, self._now, context)
        self._sessions[session] = step.session
        self._carry_out(session, step.effects)
        return outcome(step.answer)

    def state(self, session: str) -> Session:
        return self._sessions[session]

    def digits(self, session: str, launch: int) -> str | None:
        record = self._sessions[session]
        number = record.launches[launch - 1].code
        return (
            None
            if number is None
            else codes.digits(record.codes[number - 1], record.id, self._keys)
        )

    def jobs(self, session: str) -> set[int]:
        return self._jobs.get(session, set())

    def _taken(self, take: Take) -> list[datetime]:
        return self._hits.setdefault(take.subject, [])

    def _carry_out(self, session: str, effects: Sequence[Effect]) -> None:
        jobs = self._jobs.setdefault(session, set())
        for effect in effects:
            match effect:
                case PushJob():
                    assert effect.launch not in jobs
                    jobs.add(effect.launch)
                case DropJob():
                    jobs.remove(effect.launch)
                case Take() if not effect.weightless:
                    self._taken(effect).append(self._now)
                case Take():
                    pass
