"""One table of what may happen, played on every stage with both clients.

A scenario fails where a stage gives another result than the one that stands here, so that they
are all alike.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from kaskad_sdk import (
    AttemptsExpiredException,
    CaptchaNotConfirmedException,
    ChannelChangedException,
    ForbiddenException,
    InternalServerErrorException,
    InvalidCodeException,
    IsCodelessChannelException,
    LongPollingTimeoutException,
    NoAvailableChannelsException,
    NoConnectionException,
    OtpException,
    PhoneNumberMismatchException,
    RateLimitException,
    ResendChannelException,
    RestartCooldownActiveException,
    SessionAlreadyConfirmedException,
    SessionClosedException,
    SessionNotFoundException,
    UnauthorizedException,
    ValidateError,
    WidgetIsBlockedException,
    WidgetNotFoundException,
)
from kaskad_sdk.captcha import Altcha
from tests.acceptance.crowd import allowed
from tests.sdk.stage import BRIEF_S, IDS, NO_SESSION, NO_WIDGET, WRONG_TOKEN
from tests.sdk.twins import Twin
from tests.sdk.worlds import World

Scenario = Callable[[World, str], Awaitable[None]]
SCENARIOS: Final[dict[str, Scenario]] = {}
OTHER_NUMBER = "+79007654321"
READS = ("get_channel", "check_status", "wait_for_channel_selected", "wait_for_success_status")
ACTS = ("verify_code", "check_status_and_complete", "resend")


def scenario(play: Scenario) -> Scenario:
    SCENARIOS[play.__name__] = play
    return play


async def begin(world: World, number: str, widget: str) -> tuple[Twin, str]:
    twin = world.twin()
    sent = await twin("send", IDS[widget], number)
    assert sent.recipient == number
    return twin, sent.request_id


async def refused(twin: Twin, error: type[OtpException], call: str, *args: Any, **kw: Any) -> Any:
    """The call raises just this error, with what the service says of it."""
    with pytest.raises(OtpException) as raised:
        await twin(call, *args, **kw)
    found = raised.value
    assert found.__class__ is error, (call, found)
    assert (found.type, found.http_status, found.message) == (
        error.type,
        error.http_status,
        error.ru,
    )
    return found


async def all_refused(
    twin: Twin, error: type[OtpException], request_id: str, number: str, *calls: str
) -> None:
    for call in calls:
        given: tuple[str, ...] = (request_id, number)
        if call == "verify_code":
            given = (request_id, "000000")
        elif call in {"resend", "get_channel"}:
            given = (request_id,)
        await refused(twin, error, call, *given)


def wrong(code: str) -> str:
    return "".join(str((int(c) + 1) % 10) for c in code)


async def yes(twin: Twin, call: str, *args: Any, **kw: Any) -> None:
    assert (await twin(call, *args, **kw)).success is True


async def no(twin: Twin, call: str, *args: Any, **kw: Any) -> None:
    assert (await twin(call, *args, **kw)).success is False


async def later(world: World, twin: Twin, call: str, *args: Any, **kw: Any) -> Any:
    """A call that waits, under way."""
    task = asyncio.ensure_future(twin(call, *args, **kw))
    await world.pass_time(0)
    return task


# --- the ways through a verification ---------------------------------------------------------


@scenario
async def a_code(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "sms")
    channel = await twin("wait_for_channel_selected", id_)
    assert (channel.type, channel.status, channel.label) == ("sms", "sent", "SMS")
    assert (channel.code_type, channel.remaining_code_attempts) == ("code", 3)
    settings = channel.settings
    assert settings.code is not None
    assert (settings.code.length, settings.lifetime_s, settings.number_of_tries) == (6, 300, 3)
    assert (settings.number_of_restart, settings.restart_cooldown_s) == (1, 1)
    payload = channel.payload
    assert payload.now <= payload.resend_at <= payload.expires_at
    assert (payload.next.action, payload.next.type, payload.next.label) == ("restart", "sms", "SMS")
    assert channel.version is not None

    code = await world.code(number)
    await no(twin, "check_status", id_)
    await no(twin, "check_status_and_complete", id_, number)
    await no(twin, "complete", id_)
    await refused(twin, InvalidCodeException, "verify_code", id_, wrong(code))
    assert (await twin("get_channel", id_)).remaining_code_attempts == 2
    await yes(twin, "verify_code", id_, f"{code[:3]} {code[3:]}")
    await yes(twin, "verify_code", id_, code)
    await refused(twin, InvalidCodeException, "verify_code", id_, wrong(code))
    await yes(twin, "check_status", id_)
    await yes(twin, "wait_for_success_status", id_)
    assert (await twin("get_channel", id_)).status == "confirmed"
    assert (await twin("wait_for_channel_selected", id_)).status == "confirmed"
    await refused(twin, SessionAlreadyConfirmedException, "resend", id_)
    await no(twin, "cancel", id_)

    for call in ("check_status", "wait_for_success_status", "check_status_and_complete"):
        await refused(twin, PhoneNumberMismatchException, call, id_, OTHER_NUMBER)
    await no(twin, "complete", id_, OTHER_NUMBER)
    collect = "check_status_and_complete"
    await refused(twin, SessionNotFoundException, collect, id_, number, widget_id=NO_WIDGET)
    await yes(twin, collect, id_, number, widget_id=IDS["sms"])
    await no(twin, collect, id_, number)
    await no(twin, "complete", id_, number)
    await all_refused(twin, SessionClosedException, id_, number, *READS, "verify_code")
    await refused(twin, SessionAlreadyConfirmedException, "resend", id_)


@scenario
async def codeless(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "push")
    channel = await twin("wait_for_channel_selected", id_)
    assert (channel.type, channel.code_type, channel.status) == ("sim_push", "codeless", "sent")
    assert (channel.remaining_code_attempts, channel.settings.code) == (0, None)
    await refused(twin, IsCodelessChannelException, "verify_code", id_, "123456")
    waiting = await later(world, twin, "wait_for_success_status", id_)
    await world.answer(number, yes=True)
    assert (await waiting).success
    await yes(twin, "complete", id_, number)


@scenario
async def declined(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "push")
    await twin("wait_for_channel_selected", id_)
    waiting = await later(world, twin, "wait_for_success_status", id_)
    await world.answer(number, yes=False)
    with pytest.raises(NoAvailableChannelsException):
        await waiting
    await all_refused(twin, NoAvailableChannelsException, id_, number, *READS, *ACTS)
    await no(twin, "complete", id_)


@scenario
async def fallback(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "fallback")
    waiting = await later(world, twin, "wait_for_channel_selected", id_)
    channel = await waiting
    assert (channel.type, channel.status, channel.settings.code.length) == ("voice", "sent", 4)
    await yes(twin, "verify_code", id_, await world.code(number))
    await yes(twin, "check_status_and_complete", id_, number)


@scenario
async def exhausted(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "dead")
    await world.pass_time(0)
    await all_refused(twin, NoAvailableChannelsException, id_, number, *READS, *ACTS)
    await no(twin, "complete", id_, number)
    await yes(twin, "cancel", id_)


@scenario
async def a_late_code(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "two")
    first = await twin("wait_for_channel_selected", id_)
    code = await world.code(number)
    await world.pass_time(1.1)
    await yes(twin, "resend", id_, another_way=True)
    channel = await twin("wait_for_channel_selected", id_, since=first.version)
    assert channel.type == "voice"
    await yes(twin, "verify_code", id_, code)
    await yes(twin, "check_status_and_complete", id_, number)


@scenario
async def from_code_to_codeless(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "to_push")
    first = await twin("wait_for_channel_selected", id_)
    assert first.type == "sms"
    waiting = await later(world, twin, "wait_for_success_status", id_)
    await world.pass_time(1)
    channel = await twin("wait_for_channel_selected", id_, since=first.version)
    assert (channel.type, channel.code_type) == ("sim_push", "codeless")
    await world.answer(number, yes=True)
    assert (await waiting).success
    await yes(twin, "complete", id_)


@scenario
async def from_codeless_to_code(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "from_push")
    assert (await twin("wait_for_channel_selected", id_)).code_type == "codeless"
    waiting = await later(world, twin, "wait_for_success_status", id_)
    await world.pass_time(1)
    assert (await twin("wait_for_channel_selected", id_)).code_type == "code"
    await yes(twin, "verify_code", id_, await world.code(number))
    assert (await waiting).success


@scenario
async def a_channel_that_nobody_read(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "to_push")
    await world.pass_time(1)
    await refused(twin, ChannelChangedException, "check_status", id_)
    assert (await twin("get_channel", id_)).type == "sim_push"
    await no(twin, "check_status", id_)


@scenario
async def expiry(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "brief")
    first = await twin("wait_for_channel_selected", id_)
    old = await world.code(number)
    waiting = await later(world, twin, "wait_for_success_status", id_)
    await world.pass_time(BRIEF_S + 0.2)
    with pytest.raises(ResendChannelException):
        await waiting
    calls = (*READS, "verify_code", "check_status_and_complete")
    await all_refused(twin, ResendChannelException, id_, number, *calls)
    await no(twin, "complete", id_)
    await yes(twin, "resend", id_)
    channel = await twin("wait_for_channel_selected", id_)
    assert (channel.status, channel.version > first.version) == ("sent", True)
    assert channel.payload.next is None
    new = await world.code(number)
    if new != old:
        await refused(twin, InvalidCodeException, "verify_code", id_, old)
    await yes(twin, "verify_code", id_, new)


@scenario
async def too_early_a_resend(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "sms")
    await twin("wait_for_channel_selected", id_)
    error = await refused(twin, RestartCooldownActiveException, "resend", id_)
    assert (error.retry_after_s, error.payload) == (1.0, {"retryAfter": 1})
    assert error.session_id == id_
    await world.pass_time(1.1)
    await yes(twin, "resend", id_)
    await world.pass_time(0)
    assert len(await world.codes(number)) == 2
    await refused(twin, NoAvailableChannelsException, "resend", id_)
    await yes(twin, "verify_code", id_, await world.code(number))


@scenario
async def too_many_guesses(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "sms")
    await twin("wait_for_channel_selected", id_)
    guess = wrong(await world.code(number))
    waiting = await later(world, twin, "wait_for_success_status", id_)
    for _ in range(2):
        await refused(twin, InvalidCodeException, "verify_code", id_, guess)
    await refused(twin, AttemptsExpiredException, "verify_code", id_, guess)
    with pytest.raises(AttemptsExpiredException):
        await waiting
    await all_refused(twin, AttemptsExpiredException, id_, number, *READS, *ACTS)
    await refused(twin, AttemptsExpiredException, "verify_code", id_, await world.code(number))
    await no(twin, "complete", id_)


@scenario
async def given_up(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "sms")
    waiting = await later(world, twin, "wait_for_success_status", id_)
    await yes(twin, "cancel", id_)
    with pytest.raises(SessionClosedException):
        await waiting
    await all_refused(twin, SessionClosedException, id_, number, *READS, "verify_code")
    await refused(twin, NoAvailableChannelsException, "resend", id_)
    await no(twin, "check_status_and_complete", id_, number)
    await no(twin, "cancel", id_)


@scenario
async def one_key_one_verification(world: World, number: str) -> None:
    twin = world.twin()
    key = f"key-{number}"
    first = await twin("send", IDS["sms"], number, idempotency_key=key)
    again = await twin("send", IDS["sms"], number, idempotency_key=key)
    other = await twin("send", IDS["sms"], number)
    elsewhere = await twin("send", IDS["sms"], number, "203.0.113.9", "t", idempotency_key=key)
    assert first == again == elsewhere != other
    with pytest.raises(ValidateError):
        await twin("send", IDS["push"], number, idempotency_key=key)


# --- refusals --------------------------------------------------------------------------------


@scenario
async def widgets(world: World, number: str) -> None:
    twin = world.twin()
    for name, active, blocked in (("sms", True, False), ("inactive", False, False)):
        widget = await twin("get_widget_data", IDS[name])
        assert (widget.name, widget.is_active, widget.is_blocked) == (name, active, blocked)
        assert not widget.captcha_is_required
    assert (await twin("get_widget_data", IDS["blocked"])).is_blocked
    for name in ("blocked", "inactive"):
        await refused(twin, WidgetIsBlockedException, "send", IDS[name], number)
    await refused(twin, NoAvailableChannelsException, "send", IDS["nobody"], number)
    await refused(twin, WidgetNotFoundException, "send", NO_WIDGET, number)
    await refused(twin, WidgetNotFoundException, "get_widget_data", NO_WIDGET)
    await refused(twin, WidgetNotFoundException, "get_widget_data", "..")


@scenario
async def nobody_knows_it(world: World, number: str) -> None:
    twin = world.twin()
    await all_refused(twin, SessionNotFoundException, NO_SESSION, number, *READS, *ACTS)
    for call in ("complete", "cancel"):
        await refused(twin, SessionNotFoundException, call, NO_SESSION)


@scenario
async def malformed(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "sms")
    error = await refused(twin, ValidateError, "send", "no-uuid", "call me")
    assert set(error.fields) == {"widgetId", "recipient"}
    for call in ("check_status", "wait_for_success_status", "check_status_and_complete"):
        error = await refused(twin, ValidateError, call, id_, "call me")
        assert set(error.fields) == {"recipient"}
    await refused(twin, ValidateError, "complete", id_, "call me")
    await refused(twin, ValidateError, "verify_code", id_, "")


@scenario
async def without_authority(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "sms")
    twin.client.set_api_token(WRONG_TOKEN)
    await all_refused(twin, UnauthorizedException, id_, number, *READS, *ACTS)
    await refused(twin, UnauthorizedException, "get_widget_data", IDS["sms"])
    await refused(twin, UnauthorizedException, "send", IDS["sms"], number)
    other = world.forbid()
    for call, given in {
        "get_widget_data": (IDS["sms"],),
        "send": (IDS["sms"], number),
        "get_channel": (id_,),
        "check_status": (id_, number),
        "verify_code": (id_, "123456"),
        "complete": (id_,),
    }.items():
        await refused(other, ForbiddenException, call, *given)


@scenario
async def too_many_sends(world: World, number: str) -> None:
    twin = world.twin()
    await world.use_up(twin, number)
    error = await refused(twin, RateLimitException, "send", IDS["sms"], number)
    assert error.retry_after_s > 5
    assert error.payload == {"retryAfter": int(error.retry_after_s)}


@scenario
async def a_captcha_of_our_own(world: World, number: str) -> None:
    twin = world.twin(captcha=Altcha(hmac_key="k" * 32))
    widget = await twin("get_widget_data", IDS["sms"], "203.0.113.7")
    assert (widget.captcha_is_required, widget.captcha_provider) == (True, "altcha")
    for token in (None, "", "forged"):
        send = ("send", IDS["sms"], number, "203.0.113.7", token)
        await refused(twin, CaptchaNotConfirmedException, *send)
    assert (await twin("send", IDS["sms"], number)).recipient == number


# --- waiting ---------------------------------------------------------------------------------


@scenario
async def a_wait_that_is_in_vain(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "hang")
    for call in ("wait_for_channel_selected", "wait_for_success_status"):
        began = asyncio.get_running_loop().time()
        await refused(twin, LongPollingTimeoutException, call, id_, timeout=0.3)
        assert 0.3 <= asyncio.get_running_loop().time() - began < allowed(3.0)
    assert (await twin("get_channel", id_)).status == "wait"


@scenario
async def a_wait_over_several_polls(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "push")
    await twin("wait_for_channel_selected", id_)
    waiting = await later(world, twin, "wait_for_success_status", id_, timeout=30)
    for _ in range(3):
        await world.pass_time(0.7)
    assert not waiting.done()
    await world.answer(number, yes=True)
    assert (await waiting).success


@scenario
async def a_client_that_closes(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "hang")
    waiting = await later(world, twin, "wait_for_success_status", id_, timeout=30)
    await twin.close()
    with pytest.raises(NoConnectionException):
        await asyncio.wait_for(waiting, 10)


@scenario
async def a_restart_in_the_middle(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "push")
    await twin("wait_for_channel_selected", id_)
    waiting = await later(world, twin, "wait_for_success_status", id_, timeout=60)
    await world.go_away()
    error = None
    for call, given in {"complete": (id_,), "verify_code": (id_, "1"), "cancel": (id_,)}.items():
        with pytest.raises(NoConnectionException) as raised:
            await twin(call, *given)
        error = raised.value
        assert (error.http_status, error.sent, error.session_id) == (0, False, id_)
    assert not waiting.done()
    await world.come_back()
    await world.pass_time(0)
    await yes(twin, "cancel", id_)
    with pytest.raises(SessionClosedException):
        await asyncio.wait_for(waiting, 20)


@scenario
async def garbage(world: World, number: str) -> None:
    _, id_ = await begin(world, number, "sms")
    twin = world.flawed("garbage")
    for call, given in {
        "get_widget_data": (IDS["sms"],),
        "send": (IDS["sms"], number),
        "get_channel": (id_,),
        "wait_for_channel_selected": (id_,),
        "check_status": (id_, number),
        "wait_for_success_status": (id_, number),
        "verify_code": (id_, "123456"),
        "check_status_and_complete": (id_, number),
        "complete": (id_,),
        "resend": (id_,),
        "cancel": (id_,),
    }.items():
        await refused(twin, InternalServerErrorException, call, *given)


@scenario
async def a_slow_drip(world: World, number: str) -> None:
    _, id_ = await begin(world, number, "sms")
    twin = world.flawed("slow")
    for call, given in {"complete": (id_,), "verify_code": (id_, "123456")}.items():
        began = time.monotonic()
        with pytest.raises(NoConnectionException) as raised:
            await twin(call, *given)
        assert raised.value.sent
        assert time.monotonic() - began < allowed(3.0)


# --- being told ------------------------------------------------------------------------------


class Heard:
    """What a client's listeners were told of one verification."""

    def __init__(self, twin: Twin, request_id: str, recipient: str | None = None) -> None:
        self.told: list[str] = []
        self.events: list[Any] = []
        client, names = twin.client, ("channel_changed", "success_confirmation", "resend_channel")
        self.subscriptions = [
            getattr(client, f"on_{name}")(request_id, self._hear, recipient)
            for name in (*names, "error")
        ]

    def _hear(self, event: Any) -> None:
        words = [event.__class__.__name__.removesuffix("Event")]
        if words == ["ChannelChanged"]:
            words += [event.channel.type, event.channel.status]
        elif hasattr(event, "error"):
            words.append(event.error.type)
        self.events.append(event)
        self.told.append(" ".join(words))

    async def until(self, *told: str) -> None:
        for _ in range(500):
            if self.told[-len(told) :] == list(told):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(self.told)


@scenario
async def told_of_success(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "to_push")
    heard = Heard(twin, id_)
    await heard.until("ChannelChanged sms sent")
    await world.pass_time(1)
    await heard.until("ChannelChanged sim_push sent")
    push = next(e for e in heard.events if e.channel.type == "sim_push")
    assert push.previous.type == "sms"
    await world.answer(number, yes=True)
    await heard.until("SuccessConfirmation")
    event = heard.events[-1]
    assert (event.request_id, event.recipient) == (id_, number)
    await yes(twin, "complete", id_)
    for subscription in heard.subscriptions:
        subscription.unsubscribe()
        subscription.unsubscribe()


@scenario
async def told_of_another_number(world: World, number: str) -> None:
    _, id_ = await begin(world, number, "sms")
    other = world.twin()
    heard = Heard(other, id_, OTHER_NUMBER)
    await heard.until("ChannelChanged sms sent")
    await yes(other, "verify_code", id_, await world.code(number))
    await heard.until("Error PhoneNumberMismatchException")


@scenario
async def told_of_an_end(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "brief")
    heard = Heard(twin, id_)
    await heard.until("ChannelChanged sms sent")
    await world.pass_time(BRIEF_S + 0.2)
    await heard.until("ResendChannel ResendChannelException")
    await yes(twin, "resend", id_)
    await heard.until("ChannelChanged sms sent")
    await world.pass_time(BRIEF_S + 0.2)
    await heard.until("Error NoAvailableChannelsException")
    assert heard.told.count("ResendChannel ResendChannelException") == 1


@scenario
async def told_no_more(world: World, number: str) -> None:
    twin, id_ = await begin(world, number, "sms")
    heard = Heard(twin, id_)
    await heard.until("ChannelChanged sms sent")
    for subscription in heard.subscriptions:
        subscription.unsubscribe()
    before = list(heard.told)
    await yes(twin, "verify_code", id_, await world.code(number))
    await world.pass_time(0.2)
    assert heard.told == before
