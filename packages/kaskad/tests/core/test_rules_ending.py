"""Rules 9 to 11: verdicts from the provider, completion, and the end of a session."""

from datetime import timedelta

import pytest

from kaskad.core import codes
from kaskad.core.effects import DropJob
from kaskad.core.model import (
    ChannelType,
    Closing,
    CodeType,
    LaunchState,
    Reason,
    State,
    TestRecipient,
    Widget,
)
from kaskad.core.session import close_restored
from packages.kaskad.tests.core.scene import NOON, RUSSIAN, Scene, channel, push, sms

# --- rule 9: codeless


def test_rule_9_codeless_a_confirmation_confirms() -> None:
    scene = Scene(push()).at(1).accept().at(9).report("confirmed")
    assert scene.state is State.CONFIRMED
    assert scene.session.confirmed_codes == ()
    assert scene.complete() is True


@pytest.mark.parametrize("state", ["wait", "sent", "ended"])
def test_rule_9_codeless_a_confirmation_counts_for_any_launch_while_another_is_current(
    state: str,
) -> None:
    scene = Scene(push("a"), sms("b", lifetime=5)).accept().at(31)
    assert scene.resend() is True
    if state != "wait":
        scene.accept()
    if state == "ended":
        scene.after(5).tick()
    assert scene.state == state
    assert scene.report("confirmed", 1).state is State.CONFIRMED


def test_rule_9_codeless_a_confirmation_counts_until_the_deadline() -> None:
    early = Scene(push(lifetime=60)).accept().at(59.999).report("confirmed")
    assert early.state is State.CONFIRMED
    late = Scene(push(lifetime=60, restarts=1)).accept().at(60).report("confirmed")
    assert late.state is State.ENDED
    assert late.step.note == "late"


def test_rule_9_codeless_a_confirmation_past_the_deadline_of_an_earlier_launch_is_late() -> None:
    scene = Scene(push("a", lifetime=40), sms("b")).accept().at(31)
    assert scene.resend() is True
    scene.accept().at(40).report("confirmed", 1)
    assert scene.stands == (State.SENT, "b", 2)


def test_rule_9_codeless_a_confirmation_counts_after_the_message_was_given_up() -> None:
    scene = Scene(push("a"), sms("b")).at(10).tick()
    assert scene.report("confirmed", 1).state is State.CONFIRMED
    scene = Scene(push("a"), sms("b")).accept().report("undelivered")
    assert scene.report("confirmed", 1).state is State.CONFIRMED


@pytest.mark.parametrize("over", ["spent", "exhausted", "closed"])
def test_rule_9_codeless_a_confirmation_does_not_open_a_session_that_is_over(over: str) -> None:
    scene = Scene(push("a"), sms("b", tries=1))
    if over == "exhausted":
        scene.reject().reject()
    else:
        scene.accept().at(31)
        assert scene.resend() is True
        scene.accept()
        if over == "spent":
            assert scene.check() == "AttemptsExpiredException"
        else:
            assert scene.cancel() is True
    assert scene.state == over
    scene.report("confirmed", 1)
    assert scene.state == over
    assert scene.session.confirmed_at is None


def test_rule_9_codeless_a_decline_ends_the_launch_and_bars_the_channel() -> None:
    scene = Scene(push("a", restarts=3), sms("b")).accept().report("declined")
    assert scene.stands == (State.ENDED, "a", 1)
    assert (scene.launch.state, scene.launch.reason) == (LaunchState.ENDED, Reason.DECLINED)
    assert scene.session.barred == ("a",)
    assert scene.seen == "ResendChannelException"
    assert scene.check() == "ResendChannelException"
    assert scene.resend() is True
    assert scene.stands == (State.WAIT, "b", 2)


def test_rule_9_codeless_a_decline_with_nothing_else_left_has_no_channels() -> None:
    scene = Scene(push("a", restarts=3)).accept().report("declined")
    assert scene.seen == "NoAvailableChannelsException"
    assert scene.resend() == "NoAvailableChannelsException"


def test_rule_9_codeless_a_decline_bars_the_channel_wherever_it_stands_in_the_cascade() -> None:
    scene = Scene(push("a", restarts=3), sms("b")).accept().report("declined")
    assert scene.resend() is True
    scene.channels = (sms("b"), push("a"))
    scene.accept().at(40)
    assert scene.resend() == "NoAvailableChannelsException"


def test_rule_9_codeless_a_decline_of_an_earlier_launch_bars_but_does_not_end_another() -> None:
    scene = Scene(push("a"), sms("b", restarts=1)).accept().at(31)
    assert scene.resend() is True
    scene.accept().report("declined", 1)
    assert scene.stands == (State.SENT, "b", 2)
    assert scene.session.barred == ("a",)


def test_rule_9_codeless_a_decline_of_a_launch_given_up_bars_its_channel() -> None:
    scene = Scene(push("a"), sms("b")).at(10).tick().report("declined", 1)
    assert scene.stands == (State.WAIT, "b", 2)
    assert scene.session.launches[0].state is LaunchState.FAILED
    assert scene.session.barred == ("a",)


def test_rule_9_codeless_a_declined_push_is_not_pushed_again() -> None:
    scene = Scene(push("a", restarts=1), sms("b")).accept().at(31)
    assert scene.resend() is True
    assert scene.stands == (State.WAIT, "a", 2)
    scene.report("declined", 1)
    assert scene.jobs == (DropJob(session="session", launch=2),)
    assert scene.stands == (State.ENDED, "a", 2)
    assert scene.launch.reason is Reason.DECLINED
    assert scene.resend() is True
    assert scene.stands == (State.WAIT, "b", 3)


def test_rule_9_codeless_a_decline_twice_counts_once() -> None:
    scene = Scene(push("a"), sms("b")).accept().report("declined").report("declined")
    assert scene.session.barred == ("a",)
    assert scene.step.note == "late"


def test_rule_9_codeless_a_launch_turned_to_code_takes_no_verdict() -> None:
    scene = Scene(push()).accept(turned=CodeType.CODE).report("confirmed").report("declined")
    assert scene.stands == (State.SENT, "push", 1)


def test_rule_9_codeless_a_launch_turned_codeless_takes_one() -> None:
    assert Scene(sms()).accept().turn(CodeType.CODELESS).report("confirmed").state is (
        State.CONFIRMED
    )


def test_rule_9_codeless_delivery_is_noted_whatever_the_state() -> None:
    scene = Scene(push("a", lifetime=5), sms("b")).accept().at(5).report("delivered")
    assert scene.state is State.ENDED
    assert scene.launch.delivered


# --- rule 10: complete


@pytest.mark.parametrize("first", ["complete", "check_and_complete"])
@pytest.mark.parametrize("second", ["complete", "check_and_complete"])
def test_rule_10_complete_answers_success_once_ever(first: str, second: str) -> None:
    scene = Scene(sms()).accept()
    assert scene.check(scene.code()) is True
    assert getattr(scene, first)() is True
    assert scene.state is State.CLOSED
    assert scene.session.closing is Closing.COMPLETED
    assert [getattr(scene, second)() for _ in range(3)] == [False] * 3
    assert scene.seen == "SessionClosedException"


@pytest.mark.parametrize("late", ["wait", "sent"])
def test_rule_10_complete_before_confirmation_changes_nothing(late: str) -> None:
    scene = Scene(sms())
    if late == "sent":
        scene.accept()
    shown = scene.session.view_version
    assert scene.complete() is False
    assert scene.check_and_complete() is False
    assert scene.state == late
    assert scene.session.view_version == shown


def test_rule_10_complete_works_until_the_extended_lifetime_ends() -> None:
    scene = Scene(sms("a", restarts=1)).accept().at(590)
    assert scene.resend() is True
    scene.accept().at(800)
    assert scene.check(scene.code()) is True
    scene.at(1099.999)
    assert scene.complete() is True
    other = Scene(sms()).accept()
    assert other.check(other.code()) is True
    assert other.at(900).complete() is False
    assert other.session.closing is Closing.LIFETIME


# --- rule 11: lifetime


@pytest.mark.parametrize("lifetime", [60, 900, 3600])
def test_rule_11_lifetime_closes_the_session(lifetime: int) -> None:
    scene = Scene(sms("a", restarts=1), lifetime=lifetime).accept().at(lifetime - 0.001).tick()
    assert scene.state is not State.CLOSED
    scene.at(lifetime).tick()
    assert scene.session.closing is Closing.LIFETIME
    assert scene.seen == "SessionClosedException"
    assert scene.check(scene.code(1)) == "SessionClosedException"
    assert scene.complete() is False
    assert scene.check_and_complete() is False


@pytest.mark.parametrize("state", [s for s in State if s is not State.CLOSED])
def test_rule_11_lifetime_closes_from_every_state(state: State) -> None:
    scene = Scene(sms("a", restarts=1, tries=1, lifetime=300))
    match state:
        case State.SENT:
            scene.at(650).error().resend()
            scene.accept()
        case State.ENDED:
            scene.accept().at(300).tick()
        case State.CONFIRMED:
            scene.accept().check(scene.code())
        case State.SPENT:
            scene.accept().check()
        case State.EXHAUSTED:
            scene.reject()
        case _:
            scene.at(895).error().resend()
    assert scene.state is state
    assert scene.at(900).tick().state is State.CLOSED
    assert scene.session.timeline[-1].input == "lifetime"
    before = scene.session
    assert scene.at(9000).tick().session is before


def test_rule_11_lifetime_drops_a_waiting_job() -> None:
    scene = Scene(sms("a", restarts=1)).at(895).error()
    assert scene.resend() is True
    assert scene.at(900).tick().jobs == (DropJob(session="session", launch=2),)


def test_rule_11_lifetime_comes_before_an_expiry_that_is_due_as_well() -> None:
    scene = Scene(sms(lifetime=600), lifetime=400).accept()
    assert scene.seconds(scene.page.expires_at) == 400
    assert scene.at(400).tick().state is State.CLOSED
    waiting = Scene(sms(send_timeout=100), lifetime=100).at(100).tick()
    assert waiting.state is State.CLOSED
    assert waiting.launch.state is LaunchState.WAIT


def test_rule_11_lifetime_and_an_hour_later_it_is_gone() -> None:
    scene = Scene(sms(), lifetime=900)
    assert scene.session.gone_at == NOON + timedelta(seconds=900 + 3600)


# --- cancel


@pytest.mark.parametrize("state", ["wait", "sent", "ended", "spent", "exhausted"])
def test_cancel_closes_an_unconfirmed_session(state: str) -> None:
    scene = Scene(sms(tries=1, restarts=1))
    if state == "exhausted":
        scene.reject()
    elif state != "wait":
        scene.accept()
        if state == "ended":
            scene.at(300).tick()
        if state == "spent":
            scene.check()
    assert scene.state == state
    assert scene.cancel() is True
    assert scene.session.closing is Closing.CANCELLED
    assert scene.jobs == ((DropJob(session="session", launch=1),) if state == "wait" else ())
    assert scene.seen == "SessionClosedException"
    assert scene.cancel() is False
    assert scene.complete() is False


def test_cancel_leaves_a_confirmed_session_alone() -> None:
    scene = Scene(sms()).accept()
    assert scene.check(scene.code()) is True
    assert scene.cancel() is False
    assert scene.complete() is True


# --- test recipients


FIXED = TestRecipient(number=RUSSIAN.number, code="0042", until=NOON + timedelta(days=1))


def test_a_test_recipient_has_its_fixed_code_on_every_channel() -> None:
    scene = Scene(
        sms("a", tries=9), channel("b", ChannelType.FLASHCALL), push("c"), test=FIXED
    ).accept()
    assert scene.session.test
    assert scene.launch.settings.number_of_tries == 3
    assert scene.page.settings.code_length == 4
    assert scene.check("123456") == "InvalidCodeException"
    for at in (31, 62):
        assert scene.at(at).resend(another_way=True) is True
        scene.accept(code="777777", turned=CodeType.CODELESS)
        assert scene.launch.code_type is CodeType.CODE
    assert scene.check("777777") == "InvalidCodeException"
    assert scene.check("00-42") is True


def test_a_test_recipient_is_not_turned_while_it_runs() -> None:
    scene = Scene(sms(), test=FIXED).accept().turn(CodeType.CODELESS)
    assert scene.step.note == "late"
    assert scene.check("0042") is True


def test_a_test_recipients_code_is_not_in_the_session() -> None:
    scene = Scene(sms(), test=FIXED)
    assert codes.digits(scene.session.codes[0], "session", scene.keys) is None
    assert scene.session.codes[0].digest not in (None, b"0042")


def test_a_test_recipients_code_ages_and_is_renewed_like_any_other() -> None:
    scene = Scene(sms(lifetime=60, restarts=1), test=FIXED).accept().at(60)
    assert scene.check("0042") == "ResendChannelException"
    assert scene.resend() is True
    assert scene.launch.code == 2
    assert scene.accept().check("0042") is True


def test_a_test_recipient_is_one_until_its_day() -> None:
    widget = Widget(id="w", tenant="t", name="W", test_recipients=(FIXED,))
    assert widget.test_recipient(RUSSIAN.number, NOON) == FIXED
    assert widget.test_recipient(RUSSIAN.number, FIXED.until - timedelta(microseconds=1)) == FIXED
    assert widget.test_recipient(RUSSIAN.number, FIXED.until) is None
    assert widget.test_recipient("+79990000000", NOON) is None


# --- a session that came back ---------------------------------------------------------


@pytest.mark.parametrize("confirmed", [False, True])
def test_what_came_back_from_a_backup_is_closed(confirmed: bool) -> None:
    scene = Scene(sms())
    scene.accept()
    if confirmed:
        scene.check(scene.code())
    closed = close_restored(scene.session, scene.now)
    assert (closed.state, closed.closing) == (State.CLOSED, Closing.RESTORED)
    assert closed.view_version == scene.session.view_version + 1
    assert closed.due_at is None
    assert closed.timeline[-1].input == "restored"


def test_what_was_closed_before_stays_as_it_is() -> None:
    scene = Scene(sms())
    scene.cancel()
    assert close_restored(scene.session, scene.now) is scene.session
