"""The parts wired together, and what is left of them after a stop."""

import asyncio
import resource
import time
from datetime import timedelta
from pathlib import Path

import pytest
from blockbuster import BlockingError

from kaskad.app.callers import Callers
from kaskad.app.inbox import Delivered
from kaskad.app.ports import Message, Provider, SendResult, Taken
from kaskad.app.verification import SendWish, Sent
from kaskad.bootstrap import (
    FLUSH_EVERY_S,
    Options,
    Service,
    allow_many_sockets,
    build,
    is_loopback,
    session_path,
)
from kaskad.config import ServerSettings
from kaskad.core.errors import LongPollingTimeoutException
from kaskad.core.model import ChannelType, NumberType, Recipient, State
from kaskad.running import Program
from kaskad.stores.memory import MemoryStore
from kaskad.stores.sqlite import SqliteStore
from kaskad.testing import START, FakeClock, FakeEntropy, FixedCatalog, settle
from packages.kaskad.tests import builders
from packages.kaskad.tests.app.conftest import NewWorld
from packages.kaskad.tests.app.faulty import FaultyStore
from packages.kaskad.tests.app.world import CALLER, Script, stays
from packages.kaskad.tests.builders import KEY, NUMBER, TOKEN, WIDGET_ID, api_token, snapshot
from packages.kaskad.tests.logs import Logged


class Forgetful(FixedCatalog):
    """A catalogue whose database is away."""

    async def note_token_use(self, used: object) -> None:
        raise OSError("away")


def service(
    clock: FakeClock,
    catalog: FixedCatalog | None = None,
    *,
    handset: bool = False,
    demo_token: str | None = None,
) -> Service:
    return build(
        Options(secret_keys=[KEY], handset=handset, demo_token=demo_token),
        store=MemoryStore(clock.now),
        catalog=catalog or FixedCatalog(snapshot()),
        clock=clock,
        entropy=FakeEntropy(),
    )


async def test_a_service_runs_and_leaves_nothing(clock: FakeClock) -> None:
    before = asyncio.all_tasks()
    made = service(clock)
    async with made.running():
        wish = SendWish(widget_id=WIDGET_ID, recipient=builders.NUMBER)
        sent = await made.verifications.send(CALLER, wish)
        await clock.advance(1)
        session = await made.engine.read(sent.request_id)
        assert session is not None
        assert session.state is State.SENT
        assert len(made.inbox.messages(builders.NUMBER)) == 1
        poll = asyncio.create_task(
            made.verifications.poll_status(CALLER, sent.request_id, builders.NUMBER, None, stays)
        )
        await settle()
        assert made.hub.held == 1
    with pytest.raises(LongPollingTimeoutException):
        await poll
    await settle()
    assert made.verifications.draining
    assert asyncio.all_tasks() == before
    assert clock.timers == 0


async def test_last_uses_of_tokens_are_noted_now_and_then(clock: FakeClock) -> None:
    catalog = FixedCatalog(snapshot())
    made = service(clock, catalog)
    callers: Callers = made._callers
    async with made.running():
        assert callers.identify(TOKEN) is not None
        await clock.advance(FLUSH_EVERY_S - 1)
        assert catalog.used == {}
        await clock.advance(1)
        assert catalog.used == {TOKEN[:8]: START}
        await clock.advance(5)
        callers.identify(TOKEN)
    assert catalog.used == {TOKEN[:8]: START + timedelta(seconds=FLUSH_EVERY_S + 5)}


async def test_uses_that_cannot_be_noted_are_not_worth_a_failure(
    clock: FakeClock, logged: Logged
) -> None:
    made = service(clock, Forgetful(snapshot()))
    async with made.running():
        for _ in range(3):
            made._callers.identify(TOKEN)
            await clock.advance(FLUSH_EVERY_S)
    assert {entry["event"] for entry in logged} == {"last use of tokens not noted"}


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ({}, True),
        ({"expires_at": START + timedelta(seconds=1)}, True),
        ({"expires_at": START}, False),
        ({"revoked_at": START}, False),
        ({"revoked_at": START + timedelta(hours=1)}, True),
    ],
)
def test_who_is_calling(clock: FakeClock, change: dict[str, object], known: bool) -> None:
    tokens = (api_token(TOKEN, **change),)
    callers = Callers(FixedCatalog(snapshot(tokens=tokens)), clock)
    found = callers.identify(TOKEN)
    assert (found is not None) is known
    assert callers.identify(TOKEN + "x") is None
    assert callers.identify("short") is None


def test_pages_that_show_codes_are_asked_for(clock: FakeClock) -> None:
    plain = service(clock)
    shown = service(clock, handset=True, demo_token=TOKEN)
    count = {id(made): len(made.application._outside.routes) for made in (plain, shown)}
    assert count[id(shown)] > count[id(plain)]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_what_only_this_machine_reaches(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_sessions_are_kept_beside_the_catalogue() -> None:
    assert session_path(Path("var/kaskad.db")) == Path("var/kaskad-sessions.db")


def test_there_may_be_as_many_sockets_as_the_machine_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        allow_many_sockets()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- nothing blocks the loop ------------------------------------------------------------------


async def test_a_blocking_driver_would_be_noticed(new_world: NewWorld, logged: Logged) -> None:
    async def blocking(_: Message) -> SendResult:
        time.sleep(0.001)  # noqa: ASYNC251  # that is the point
        return Taken()

    world = new_world(scripts={"sms-provider": Script(blocking)})
    await world.send()
    await world.clock.advance()
    assert [entry["failure"] for entry in logged] == [BlockingError.__name__]


async def test_a_statement_in_the_loop_would_be_noticed(store: FaultyStore) -> None:
    if isinstance(store.inner, SqliteStore):
        with pytest.raises(BlockingError):
            store.inner._db.execute("SELECT 1")


async def test_a_file_in_the_loop_would_be_noticed(tmp_path: Path) -> None:
    with pytest.raises(BlockingError):
        tmp_path.joinpath("x").stat()


# --- accounts -------------------------------------------------------------------------------


def test_an_account_does_not_show_its_settings() -> None:
    account = Provider(id="p", tenant="t", driver="d", settings={"password": "hunter2"})
    assert "hunter2" not in repr(account)


def test_what_the_parts_are_made_of_does_not_show_its_secrets() -> None:
    options = Options(secret_keys=[KEY], demo_token=TOKEN)
    program = Program(settings=ServerSettings.model_construct(), demo_token=TOKEN)
    for shown in map(repr, (options, program)):
        assert TOKEN not in shown
        assert repr(KEY) not in shown


def test_people_and_their_messages_are_not_shown() -> None:
    message = Delivered(
        id="m",
        type=ChannelType.SMS,
        label="SMS",
        recipient=NUMBER,
        text="4821 is your code",
        code="4821",
        caller_id=None,
        session="s",
        launch=1,
        at=START,
    )
    to = Recipient(number=NUMBER, country="RU", number_type=NumberType.MOBILE)
    for carrier in (message, to, Sent(request_id="r", recipient=NUMBER)):
        assert "4821" not in repr(carrier)
        assert NUMBER not in repr(carrier)
