"""Jobs that cannot be carried out: the person goes on at once, and a letter is kept."""

from collections.abc import Callable

import msgspec
import pytest

from kaskad.app.ports import DeadLetter, LetterKind, Message, SendResult, Snapshot, Taken
from kaskad.app.worker import LEASE_S
from kaskad.core.codes import Keyring
from kaskad.core.inputs import CheckCode
from kaskad.core.model import ChannelType, State, Template
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.world import Script, World
from packages.kaskad.tests.builders import KEYRING, NUMBER, channel, code_of, snapshot
from packages.kaskad.tests.logs import Logged
from packages.kaskad.tests.searching import Search

SMS, VOICE = "sms-provider", "voice-provider"
LANE = f"default/{SMS}"
TWO = snapshot(channel("sms"), channel("voice"))
PATIENT = snapshot(channel("sms", send_timeout_s=60), channel("voice"))
UNMADE, FAILED = LetterKind.UNMADE, LetterKind.FAILED


async def letters(world: World) -> list[DeadLetter]:
    return await world.store.dead_letters(world.clock.now())


def events(logged: Logged) -> list[object]:
    return [entry["event"] for entry in logged]


# --- messages that cannot be made -----------------------------------------------------------


def with_text(text: str) -> Snapshot:
    bad = channel("sms", templates=(Template(locale="ru", text=text),))
    return snapshot(bad, channel("voice"))


def lose_the_key(world: World) -> None:
    world.engine.keyring = Keyring([b"another key, 32 bytes at least!!"])


def lose_the_account(world: World) -> None:
    del world.scripts[SMS]


def lose_nothing(_: World) -> None: ...


@pytest.mark.parametrize(
    ("known", "lose", "reason"),
    [
        (with_text("{{ code }} {{ secret }}"), lose_nothing, "template: 'secret' is undefined"),
        (TWO, lose_the_key, "the key of its code is gone"),
        (TWO, lose_the_account, "provider is not configured"),
    ],
    ids=["template", "key", "account"],
)
async def test_a_message_that_cannot_be_made_leaves_a_letter(
    durable_world: NewWorld, known: Snapshot, lose: Callable[[World], None], reason: str
) -> None:
    sms, voice = Script(), Script()
    world = durable_world(known, scripts={SMS: sms, VOICE: voice}, running=False)
    session = await world.send()
    lose(world)
    world.start()
    await world.clock.advance()

    assert sms.messages == []
    assert len(voice.messages) == 1
    found = await world.now(session)
    assert (found.launch.channel, found.state) == ("voice", State.SENT)
    assert found.launches[0].reason == "rejected"
    [letter] = await letters(world)
    assert letter == DeadLetter(
        session=session.id,
        launch=1,
        lane=LANE,
        kind=UNMADE,
        reason=reason,
        tries=0,
        at=session.created_at,
        type=ChannelType.SMS,
    )
    assert world.figure("dead_letters_total", provider=LANE) == 1
    world.engine.keyring = KEYRING


async def test_settings_that_do_not_make_a_driver_leave_a_letter(new_world: NewWorld) -> None:
    accounts: dict[str, dict[str, object]] = {SMS: {"delay": "soon"}, VOICE: {"delay": 0}}
    world = new_world(snapshot(channel("sms"), channel("voice"), providers=accounts))
    session = await world.send()
    await world.clock.advance()
    assert await world.walked(session) == ["sms", "voice"]
    [letter] = await letters(world)
    assert (letter.kind, letter.reason) == (UNMADE, "no message: ValidationError")


# --- what nobody foresaw --------------------------------------------------------------------


async def test_after_a_failure_before_the_hand_over_the_next_channel_starts_at_once(
    durable_world: NewWorld, logged: Logged
) -> None:
    sms, voice = Script(), Script()
    world = durable_world(TWO, scripts={SMS: sms, VOICE: voice})
    world.store.defects["load"] = 1
    session = await world.send()
    await world.clock.advance()

    assert sms.messages == []
    found = await world.now(session)
    assert (found.launch.channel, found.state) == ("voice", State.SENT)
    assert ("errored", "ZeroDivisionError") in [(e.input, e.reason) for e in found.timeline]
    [letter] = await letters(world)
    assert (letter.kind, letter.reason, letter.type) == (FAILED, "ZeroDivisionError", None)
    assert "job failed" in events(logged)


async def test_after_a_failure_behind_the_hand_over_nobody_knows(durable_world: NewWorld) -> None:
    """The provider has taken it: at most this one message is doubled, and its code counts."""
    sms, voice = Script(), Script()
    world = durable_world(TWO, scripts={SMS: sms, VOICE: voice})
    session = await world.send()
    world.store.defects["commit"] = 1
    await world.clock.advance(9.999)
    assert (await world.now(session)).launch.unsure
    assert world.store.sizes()["jobs"] == 0
    assert (len(sms.messages), voice.messages) == (1, [])
    [letter] = await letters(world)
    assert (letter.kind, letter.type) == (FAILED, ChannelType.SMS)

    await world.clock.advance(60)
    assert await world.walked(session) == ["sms", "voice"]
    assert (len(sms.messages), len(voice.messages)) == (1, 1)
    assert await world.tell(session, CheckCode(code=code_of(session))) is True


async def test_a_core_that_raises_leaves_the_provider_the_benefit_of_the_doubt(
    new_world: NewWorld,
) -> None:
    """No keyed hash can be made of the code that the provider chose."""

    async def chooses(_: Message) -> SendResult:
        world.engine.keyring = Keyring.__new__(Keyring)
        return Taken(code="4711")

    sms = Script(chooses)
    world = new_world(TWO, scripts={SMS: sms, VOICE: Script()})
    session = await world.send()
    await world.clock.advance(1)
    assert (await world.now(session)).launch.unsure
    [letter] = await letters(world)
    assert letter.kind is FAILED
    world.engine.keyring = KEYRING
    await world.clock.advance(60)
    assert len(sms.messages) == 1


@pytest.mark.parametrize("call", ["load", "commit"])
async def test_what_fails_again_and_again_is_left_to_its_deadline(
    new_world: NewWorld, logged: Logged, call: str
) -> None:
    sms, voice = Script(), Script()
    world = new_world(PATIENT, scripts={SMS: sms, VOICE: voice}, running=False)
    session = await world.send()
    world.store.defects[call] = 999
    world.worker.start()
    await world.clock.advance(3 * LEASE_S)
    assert world.store.calls.count(call) <= 3  # when it was sent, the job, and giving it up
    assert len(sms.messages) == (call == "commit")
    stored = await world.store.inner.load(session.id)
    assert stored is not None
    assert stored.state is State.WAIT
    assert len(await letters(world)) == 1
    assert events(logged).count("job left to its deadline") == 1

    world.store.defects.clear()
    world.sweeper.start()
    await world.clock.advance(60)
    assert await world.walked(session) == ["sms", "voice"]
    assert len(voice.messages) == 1
    assert len(sms.messages) == (call == "commit")


async def test_a_job_that_cannot_even_be_set_aside_ends_at_its_deadline(
    new_world: NewWorld,
) -> None:
    world = new_world(TWO, scripts={SMS: Script(), VOICE: Script()})
    session = await world.send()
    world.store.defects.update({"load": 2, "release": 1})
    await world.clock.advance(9)
    assert await world.state(session) is State.WAIT
    await world.clock.advance(1)
    assert await world.walked(session) == ["sms", "voice"]


async def test_a_store_that_is_away_is_waited_for_until_the_deadline(
    new_world: NewWorld, logged: Logged
) -> None:
    world = new_world(TWO, scripts={VOICE: Script()})
    patient = await world.send()
    world.store.broken = {"commit"}
    await world.clock.advance(4)
    world.store.broken = set()
    await world.clock.advance(1)
    assert await world.walked(patient) == ["sms", "voice"]

    late = await world.send("+79001234568")
    world.store.broken = {"commit"}
    await world.clock.advance(11)
    assert "job not given up" in events(logged)
    world.store.broken = set()
    await world.clock.advance(1)
    assert await world.walked(late) == ["sms", "voice"]
    assert len(await letters(world)) == 2


async def test_a_message_that_may_have_been_taken_is_not_denied(new_world: NewWorld) -> None:
    """Whoever had the job before may have handed it over; by now its account is gone."""
    sms = Script()
    world = new_world(PATIENT, scripts={VOICE: Script()}, running=False)
    session = await world.send()
    [_] = await world.store.claim(LANE, limit=1, lease_s=5, now=world.clock.now())
    await world.clock.advance(5)
    world.start()
    await world.clock.advance(1)
    assert (await world.now(session)).launch.unsure
    assert [letter.reason for letter in await letters(world)] == ["provider is not configured"]
    await world.clock.advance(60)
    assert await world.walked(session) == ["sms", "voice"]
    assert await world.tell(session, CheckCode(code=code_of(session))) is True
    assert sms.messages == []


# --- the letter itself ----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["away", "defect"])
async def test_a_letter_that_cannot_be_kept_hurts_nobody(
    new_world: NewWorld, logged: Logged, trouble: str
) -> None:
    world = new_world(TWO, scripts={VOICE: Script()})
    if trouble == "away":
        world.store.broken = {"bury"}
    else:
        world.store.defects["bury"] = 1
    session = await world.send()
    await world.clock.advance()
    assert await world.walked(session) == ["sms", "voice"]
    assert await world.state(session) is State.SENT
    assert "dead letter lost" in events(logged)
    assert world.figure("dead_letters_total", provider=LANE) == 1
    assert await letters(world) == []


async def test_a_letter_tells_neither_number_nor_code(new_world: NewWorld) -> None:
    world = new_world(with_text(f"{{{{ code }}}} {{{{ x{NUMBER[1:]} }}}}"), scripts={SMS: Script()})
    session = await world.send()
    await world.clock.advance()
    world.catalog.snapshot = TWO
    world.store.defects["load"] = 1  # its words have a number and a code in them
    await world.send()
    await world.clock.advance()
    world.scripts |= {SMS: Script(RuntimeError(f"{NUMBER} 123456")), VOICE: Script()}
    world.store.defects["commit"] = 1
    await world.clock.advance(10)

    found = await letters(world)
    assert {letter.kind for letter in found} == {UNMADE, FAILED}
    search = Search(codes=[code_of(session), "123456"], numbers=[NUMBER])
    for letter in found:
        assert search.of("letter", msgspec.json.encode(letter)) == []
        assert search.of("letter", repr(letter).encode()) == []
        assert len(letter.reason) <= 200


async def test_work_that_is_done_leaves_no_letter(new_world: NewWorld) -> None:
    world = new_world(TWO, scripts={SMS: Script(RuntimeError("no")), VOICE: Script()})
    await world.send()
    await world.clock.advance(60)
    assert await letters(world) == []
