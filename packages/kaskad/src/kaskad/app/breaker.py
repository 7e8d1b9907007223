"""A rest for provider accounts that fail, so that nobody waits for them in vain.

Each account has a circuit. It counts failures in a row; at the last of them the
account begins to rest: whoever has another way takes it at once. A message
without one is handed over all the same, and what becomes of it is news of the
account. When the rest is over one message at a time is let through to try the
account out; a failure lets it rest again, for longer.

Answers come late and in any order, so each message carries a pass that says how
the circuit stood when it was handed over:

- A failure counts only while the circuit stands as it did then. Messages that
  were under way when the rest began do not prolong it, and messages of the rest
  that fail after it do not begin another.
- A success ends a rest only if its message was handed over during that rest: an
  earlier one may have been taken before the trouble. In an account that works
  every success counts.
- After a rest only the message that tries the account out can fail it again.

Nothing here knows the time or does I/O.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

FAILURES_TO_REST = 5
FIRST_REST_S = 15.0
LONGEST_REST_S = 120.0
SPREAD = 0.2
"""By which part a rest may be shorter, so that accounts which failed together do not return so."""


class Health(Enum):
    """What an answer tells of the account."""

    WELL = auto()
    ILL = auto()
    UNTOLD = auto()


class Pass(NamedTuple):
    """Leave to hand one message over.

    ``trial`` numbers those that try an account out; ``in_vain`` is one that goes to
    an account at rest, for want of another way.
    """

    epoch: int = 0
    trial: int = 0
    in_vain: bool = False


class Rested(NamedTuple):
    """The account begins to rest; ``again`` if it did before and the trial failed."""

    seconds: float
    why: str
    again: bool


class Returned(NamedTuple):
    """The account does not rest any more."""

    why: str


Told = Callable[[str, Rested | Returned], None]

UNTROUBLED = Pass()
"""That of every message to an account without a circuit."""

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, eq=False)
class _Circuit:
    """``epoch`` rises with every beginning and end of a rest; without ``rests`` it is closed."""

    account: object
    epoch: int = 0
    failures: int = 0
    rests: int = 0
    rests_until: datetime = _NEVER
    trial: int = 0
    trial_until: datetime = _NEVER


class Breaker:
    """The circuits of all accounts, by lane. An account that never failed has none.

    ``chance`` gives a number from 0 up to 1. ``told`` hears of each rest's
    beginning and end.
    """

    def __init__(self, chance: Callable[[], float], told: Told) -> None:
        self._chance = chance
        self._told = told
        self._circuits: dict[str, _Circuit] = {}
        self._trials = 0

    def __len__(self) -> int:
        """How many accounts have a circuit."""
        return len(self._circuits)

    def __contains__(self, lane: str) -> bool:
        """Whether an account has a circuit."""
        return lane in self._circuits

    def rests(self, lane: str) -> bool:
        """Whether an account rests, or has still to be tried out after its rest."""
        circuit = self._circuits.get(lane)
        return circuit is not None and circuit.rests > 0

    def admit(
        self,
        lane: str,
        account: object,
        now: datetime,
        *,
        until: datetime,
        elsewhere: Callable[[], bool],
    ) -> Pass | None:
        """Leave to hand a message over; ``None`` if it shall go another way.

        ``account`` is compared by identity: another one under the same lane has other
        settings and is not to blame. ``elsewhere`` tells if there is another way, and
        is asked only if that matters. A trial is waited for ``until`` then, no longer.
        """
        circuit = self._circuits.get(lane)
        if circuit is None:
            return UNTROUBLED
        if circuit.account is not account:
            self._forget(lane, "its settings have changed")
            return UNTROUBLED
        if not circuit.rests:
            return Pass(circuit.epoch)
        if circuit.rests_until <= now and not (circuit.trial and now < circuit.trial_until):
            self._trials += 1
            circuit.trial, circuit.trial_until = self._trials, until
            return Pass(circuit.epoch, circuit.trial)
        return None if elsewhere() else Pass(circuit.epoch, in_vain=True)

    def heard(
        self, lane: str, account: object, given: Pass, health: Health, now: datetime, why: str
    ) -> None:
        """Take note of what became of a message that was handed over with a pass."""
        circuit = self._circuits.get(lane)
        if circuit is None:
            if health is not Health.ILL:
                return
            circuit = self._circuits[lane] = _Circuit(account)
        if circuit.account is not account:
            return
        match health:
            case Health.WELL:
                self._well(lane, circuit, given)
            case Health.ILL:
                self._ill(lane, circuit, given, now, why)
            case Health.UNTOLD:
                if _is_trial(circuit, given):
                    circuit.trial = 0

    def _well(self, lane: str, circuit: _Circuit, given: Pass) -> None:
        if not circuit.rests:
            circuit.failures = 0
        elif given.epoch == circuit.epoch:
            circuit.epoch += 1
            circuit.failures = circuit.rests = circuit.trial = 0
            self._told(lane, Returned("it works again"))

    def _ill(self, lane: str, circuit: _Circuit, given: Pass, now: datetime, why: str) -> None:
        if given.epoch != circuit.epoch:
            return
        if circuit.rests:
            if _is_trial(circuit, given):
                self._rest(lane, circuit, now, why)
            return
        circuit.failures += 1
        if circuit.failures >= FAILURES_TO_REST:
            self._rest(lane, circuit, now, why)

    def _rest(self, lane: str, circuit: _Circuit, now: datetime, why: str) -> None:
        # After a few doublings it is the longest: weeks of them would be too much for a float.
        longest_s = min(FIRST_REST_S * 2 ** min(circuit.rests, 10), LONGEST_REST_S)
        seconds = longest_s * (1 - SPREAD * self._chance())
        circuit.rests += 1
        circuit.epoch += 1
        circuit.trial = 0
        circuit.rests_until = now + timedelta(seconds=seconds)
        self._told(lane, Rested(seconds, why, again=circuit.rests > 1))

    # --- accounts that come and go ----------------------------------------------------

    def lanes(self) -> Iterable[str]:
        """The accounts that have a circuit."""
        return tuple(self._circuits)

    def keep(self, accounts: Mapping[str, object]) -> None:
        """Forget accounts that are not among these any more, or are others now."""
        for lane, circuit in tuple(self._circuits.items()):
            if lane not in accounts:
                self._forget(lane, "it is not configured any more")
            elif accounts[lane] is not circuit.account:
                self._forget(lane, "its settings have changed")

    def _forget(self, lane: str, why: str) -> None:
        if self._circuits.pop(lane).rests:
            self._told(lane, Returned(why))


def _is_trial(circuit: _Circuit, given: Pass) -> bool:
    return given.trial != 0 and given.trial == circuit.trial
