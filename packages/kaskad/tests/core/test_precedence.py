"""Which state is answered when several hold: the first of the list does."""

from itertools import pairwise

import pytest
from msgspec.structs import replace

from kaskad.core.model import Closing, CodeType, LaunchState, Session, State
from kaskad.core.view import status
from packages.kaskad.tests.core.scene import Scene, push, sms


def everything_at_once() -> Session:
    """A session in which every row of the list holds."""
    scene = Scene(sms("a"), sms("b")).accept()
    return replace(
        scene.session,
        closing=Closing.COMPLETED,
        confirmed_at=scene.now,
        over=State.SPENT,
        launches=(replace(scene.launch, state=LaunchState.ENDED),),
    )


def peeled() -> list[Session]:
    """The same session, each time without the row that answered before."""
    whole = everything_at_once()
    open_ = replace(whole, closing=None)
    unconfirmed = replace(open_, confirmed_at=None)
    exhausted = replace(unconfirmed, over=State.EXHAUSTED)
    ended = replace(exhausted, over=None)
    sent = replace(ended, launches=(replace(ended.launch, state=LaunchState.SENT),))
    wait = replace(sent, launches=(replace(ended.launch, state=LaunchState.WAIT),))
    return [whole, open_, unconfirmed, exhausted, ended, sent, wait]


def test_precedence_is_the_order_of_the_list() -> None:
    assert [session.state for session in peeled()] == [
        State.CLOSED,
        State.CONFIRMED,
        State.SPENT,
        State.EXHAUSTED,
        State.ENDED,
        State.SENT,
        State.WAIT,
    ]


def test_precedence_each_row_differs_from_the_next_in_one_thing() -> None:
    for higher, lower in pairwise(peeled()):
        changed = [f for f in higher.__struct_fields__ if getattr(higher, f) != getattr(lower, f)]
        assert len(changed) == 1


@pytest.mark.parametrize("end", ["completed", "lifetime"])
def test_precedence_1_completed_or_past_lifetime_over_confirmed(end: str) -> None:
    scene = Scene(sms()).accept()
    assert scene.check(scene.code()) is True
    if end == "completed":
        assert scene.complete() is True
    else:
        scene.at(900).tick()
    assert scene.session.confirmed_at is not None
    assert scene.state is State.CLOSED
    assert scene.seen == "SessionClosedException"


@pytest.mark.parametrize("over", ["spent", "exhausted"])
def test_precedence_1_past_lifetime_over_what_was_over_before(over: str) -> None:
    scene = Scene(sms(tries=1))
    if over == "spent":
        scene.accept().check()
    else:
        scene.reject()
    assert scene.session.over == over
    assert scene.at(900).check() == "SessionClosedException"


def test_precedence_2_confirmed_over_attempts_used_up() -> None:
    scene = Scene(sms("a", code_length=4, tries=1), sms("b")).accept().at(31)
    assert scene.resend() is True
    scene.accept()
    assert scene.check() == "InvalidCodeException"
    assert scene.misses_of("a") == 1
    assert scene.check(scene.code(2)) is True
    assert scene.seen == "confirmed"
    for _ in range(9):
        assert scene.check() == "InvalidCodeException"
    assert scene.state is State.CONFIRMED


def test_precedence_2_confirmed_over_an_expired_launch() -> None:
    scene = Scene(sms("a", lifetime=30), sms("b")).accept()
    assert scene.check(scene.code()) is True
    assert scene.at(31).tick().seen == "confirmed"


def test_precedence_3_attempts_used_up_over_exhausted() -> None:
    scene = Scene(sms("a", tries=9, code_length=7), sms("b", lifetime=5)).accept().at(31)
    assert scene.resend() is True
    scene.accept().at(62).tick()
    assert scene.seen == "NoAvailableChannelsException"
    assert [scene.check() for _ in range(5)] == [
        *["InvalidCodeException"] * 4,
        "AttemptsExpiredException",
    ]
    assert scene.seen == "AttemptsExpiredException"


def test_precedence_3_attempts_used_up_over_a_launch_that_waits_and_then_fails() -> None:
    scene = Scene(sms("a", tries=1, restarts=1)).accept().at(31)
    assert scene.resend() is True
    assert scene.check() == "AttemptsExpiredException"
    scene.reject(2).at(60).tick()
    assert scene.seen == "AttemptsExpiredException"


def test_precedence_4_exhausted_over_ended() -> None:
    scene = Scene(sms("a", lifetime=5), sms("b")).accept().at(6)
    assert scene.resend() is True
    assert scene.reject().state is State.EXHAUSTED
    assert scene.session.launches[0].state is LaunchState.ENDED
    assert scene.seen == "NoAvailableChannelsException"
    assert scene.check_and_complete() == "NoAvailableChannelsException"


def answer(scene: Scene, *, changed: bool) -> object:
    """What a status call answers to somebody who has not read the current channel, or has."""
    found = status(scene.session, changed=changed)
    return found if isinstance(found, bool) else found.type


@pytest.mark.parametrize("changed", [False, True])
def test_precedence_5_ended_over_channel_changed(changed: bool) -> None:
    scene = Scene(sms("a"), sms("b", lifetime=5, restarts=1)).reject().accept().after(5).tick()
    assert scene.stands == (State.ENDED, "b", 2)
    assert answer(scene, changed=changed) == "ResendChannelException"


@pytest.mark.parametrize("changed", [False, True])
def test_precedence_every_row_above_it_hides_a_changed_channel(changed: bool) -> None:
    confirmed = Scene(sms("a"), sms("b")).reject().accept()
    assert confirmed.check(confirmed.code()) is True
    assert answer(confirmed, changed=changed) is True
    assert confirmed.complete() is True
    assert answer(confirmed, changed=changed) == "SessionClosedException"
    spent = Scene(sms("a"), sms("b", tries=1)).reject().accept()
    assert spent.check() == "AttemptsExpiredException"
    assert answer(spent, changed=changed) == "AttemptsExpiredException"
    exhausted = Scene(sms("a"), sms("b")).reject().reject()
    assert answer(exhausted, changed=changed) == "NoAvailableChannelsException"


def test_precedence_6_channel_changed_over_wait_and_sent() -> None:
    scene = Scene(sms("a"), sms("b")).reject()
    assert answer(scene, changed=True) == "ChannelChangedException"
    assert answer(scene.accept(), changed=True) == "ChannelChangedException"


def test_precedence_6_channel_changed_is_told_by_launch_and_code_type() -> None:
    """The caller compares what it last showed; here is what it compares with."""
    moved = Scene(sms("a"), push("b")).reject()
    assert moved.seen == "wait"
    assert (moved.session.current, moved.launch.code_type) == (2, CodeType.CODELESS)
    turned = Scene(push()).accept(turned=CodeType.CODE)
    assert turned.seen == "sent"
    assert turned.session.current == 1
    assert turned.launch.first_code_type is CodeType.CODELESS
    assert turned.launch.code_type is CodeType.CODE


def test_precedence_7_wait_and_sent_come_last() -> None:
    scene = Scene(sms())
    assert scene.seen == "wait"
    assert answer(scene, changed=False) is False
    assert scene.accept().seen == "sent"
    assert answer(scene, changed=False) is False
