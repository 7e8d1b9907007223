"""Rules 4 and 5: what remains when a launch fails, and what happens at a deadline."""

import pytest
from msgspec.structs import replace

from kaskad.core.model import ChannelType, CodeType, LaunchState, NextMove, Reason, State
from packages.kaskad.tests.core.scene import Scene, push, sms

# --- rule 4: exhausted


def rejected(scene: Scene) -> Scene:
    return scene.reject()


def errored(scene: Scene) -> Scene:
    return scene.error()


def timed_out(scene: Scene) -> Scene:
    return scene.after(10).tick()


def undelivered(scene: Scene) -> Scene:
    return scene.accept().report("undelivered")


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        (errored, Reason.ERRORED),
        (timed_out, Reason.TIMED_OUT),
        (undelivered, Reason.UNDELIVERED),
    ],
)
def test_rule_4_exhausted_no_next_channel_but_restarts_ends_the_launch(
    fails: object, reason: Reason
) -> None:
    assert callable(fails)
    scene = fails(Scene(sms("a", restarts=1)))
    assert scene.stands == (State.ENDED, "a", 1)
    assert (scene.launch.state, scene.launch.reason) == (LaunchState.ENDED, reason)
    assert scene.seen == "ResendChannelException"
    assert scene.session.next == NextMove(action="restart", type=ChannelType.SMS, label="A")
    assert scene.resend() is True
    assert scene.stands == (State.WAIT, "a", 2)


def test_rule_4_exhausted_a_definite_rejection_has_no_restart() -> None:
    scene = rejected(Scene(sms("a", restarts=1)))
    assert scene.state is State.EXHAUSTED
    assert scene.seen == "NoAvailableChannelsException"
    assert scene.session.next is None


@pytest.mark.parametrize("fails", [rejected, errored, timed_out, undelivered])
def test_rule_4_exhausted_nothing_left_is_over(fails: object) -> None:
    assert callable(fails)
    scene = fails(Scene(sms("a")))
    assert scene.state is State.EXHAUSTED
    assert scene.seen == "NoAvailableChannelsException"
    assert scene.check() == "NoAvailableChannelsException"
    assert scene.resend() == "NoAvailableChannelsException"
    assert scene.check_and_complete() == "NoAvailableChannelsException"
    assert scene.complete() is False
    assert scene.jobs == ()


def test_rule_4_exhausted_a_next_channel_comes_before_a_restart() -> None:
    assert errored(Scene(sms("a", restarts=1), sms("b"))).stands == (State.WAIT, "b", 2)


@pytest.mark.parametrize("fails", [rejected, errored, timed_out, undelivered])
def test_rule_4_exhausted_falls_back_to_the_earlier_launch_whose_code_is_live(
    fails: object,
) -> None:
    assert callable(fails)
    scene = Scene(sms("a"), sms("b")).accept().at(31)
    assert scene.resend() is True
    assert scene.stands == (State.WAIT, "b", 2)
    fails(scene)
    assert scene.stands == (State.SENT, "a", 1)
    assert ("fall_back", 1, "a") in scene.timeline()
    assert scene.page.next is None
    assert scene.check(scene.code(1)) is True


def test_rule_4_exhausted_falls_back_to_the_newest_of_several() -> None:
    scene = Scene(sms("a"), sms("b"), sms("c")).accept().at(31)
    assert scene.resend() is True
    scene.accept().at(62)
    assert scene.resend() is True
    assert scene.reject().stands == (State.SENT, "b", 2)
    assert scene.report("undelivered").stands == (State.SENT, "a", 1)
    assert scene.report("undelivered").state is State.EXHAUSTED


def test_rule_4_exhausted_falls_back_to_a_restart_that_failed_after_its_first_launch() -> None:
    scene = Scene(sms("a", restarts=1)).accept().at(31)
    assert scene.resend() is True
    assert scene.stands == (State.WAIT, "a", 2)
    assert scene.error().stands == (State.SENT, "a", 1)


def test_rule_4_exhausted_does_not_fall_back_past_a_deadline() -> None:
    scene = Scene(sms("a", lifetime=35), sms("b")).accept().at(31)
    assert scene.resend() is True
    assert scene.at(35).reject().state is State.EXHAUSTED


def test_rule_4_exhausted_does_not_fall_back_to_what_never_left() -> None:
    scene = Scene(sms("a"), sms("b"), sms("c")).error().accept().at(31)
    assert scene.resend() is True
    assert scene.reject().stands == (State.SENT, "b", 2)
    assert scene.report("undelivered").state is State.EXHAUSTED


def test_rule_4_exhausted_does_not_fall_back_to_a_channel_without_attempts() -> None:
    scene = Scene(sms("a", tries=1), sms("b", tries=3)).accept().at(31)
    assert scene.resend() is True
    assert scene.check() == "InvalidCodeException"
    assert scene.reject().state is State.EXHAUSTED


def test_rule_4_exhausted_does_not_fall_back_to_a_declined_launch() -> None:
    scene = Scene(push("a", lifetime=300), sms("b")).accept().report("declined")
    assert scene.resend() is True
    assert scene.reject().state is State.EXHAUSTED


def test_rule_4_exhausted_falls_back_to_an_open_codeless_launch() -> None:
    scene = Scene(push("a"), sms("b")).accept().at(31)
    assert scene.resend() is True
    assert scene.reject().stands == (State.SENT, "a", 1)
    assert scene.page.code_type is CodeType.CODELESS
    scene.report("confirmed")
    assert scene.state is State.CONFIRMED


def test_rule_4_exhausted_a_launch_that_timed_out_may_be_fallen_back_to() -> None:
    scene = Scene(sms("a"), sms("b")).at(10).tick()
    assert scene.reject().stands == (State.SENT, "a", 1)
    assert scene.check(scene.code(1)) is True


def test_rule_4_exhausted_what_it_fell_back_to_expires_as_ever() -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).accept().at(31)
    assert scene.resend() is True
    assert scene.resend() == "RestartCooldownActiveException"
    scene.accept().at(62)
    assert scene.resend() is True
    assert scene.reject().stands == (State.SENT, "a", 2)
    assert scene.at(331).tick().stands == (State.ENDED, "a", 2)
    assert scene.seen == "NoAvailableChannelsException"


# --- rule 5: expiry


def test_rule_5_expiry_a_code_launch_ends_at_the_deadline_of_its_code() -> None:
    scene = Scene(sms("a", lifetime=120), sms("b")).at(3).accept()
    assert scene.seconds(scene.page.expires_at) == 123
    assert scene.at(122.999).tick().state is State.SENT
    assert scene.at(123).tick().stands == (State.ENDED, "a", 1)
    assert scene.launch.reason is Reason.EXPIRED


def test_rule_5_expiry_a_codeless_launch_ends_its_lifetime_after_sent() -> None:
    scene = Scene(push("a", lifetime=700, restarts=1)).at(2).accept()
    assert scene.seconds(scene.page.expires_at) == 702
    assert scene.at(701.999).tick().state is State.SENT
    assert scene.at(702).tick().state is State.ENDED


def test_rule_5_expiry_sends_nothing_by_itself() -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).accept().at(300).tick()
    assert scene.step.effects == ()
    assert len(scene.session.launches) == 1


@pytest.mark.parametrize(
    ("channels", "action"),
    [((sms("a", restarts=1),), "restart"), ((sms("a"), sms("b")), "channel")],
    ids=["restart", "channel"],
)
def test_rule_5_expiry_with_something_left_asks_for_a_resend(
    channels: tuple[object, ...], action: str
) -> None:
    scene = Scene(*channels).accept().at(300)  # type: ignore[arg-type]  # only channels
    assert scene.check(scene.code(1)) == "ResendChannelException"
    assert scene.seen == "ResendChannelException"
    assert scene.check_and_complete() == "ResendChannelException"
    assert scene.complete() is False
    assert scene.session.next is not None
    assert scene.session.next.action == action
    assert scene.session.misses == 0
    assert scene.resend() is True


def test_rule_5_expiry_with_nothing_left_has_no_channels() -> None:
    scene = Scene(sms("a")).accept().at(300)
    assert scene.check(scene.code(1)) == "NoAvailableChannelsException"
    assert scene.seen == "NoAvailableChannelsException"
    assert scene.check_and_complete() == "NoAvailableChannelsException"
    assert scene.resend() == "NoAvailableChannelsException"
    assert scene.complete() is False


def test_rule_5_expiry_looks_at_the_cascade_of_that_moment() -> None:
    scene = Scene(sms("a")).accept()
    assert scene.page.next is None
    scene.channels = (sms("a"), sms("b"))
    scene.at(300).tick()
    assert scene.seen == "ResendChannelException"


def test_rule_5_expiry_does_not_touch_a_confirmed_session() -> None:
    scene = Scene(sms("a", lifetime=60)).accept()
    assert scene.check(scene.code()) is True
    before = scene.session
    assert scene.at(500).tick().session is before
    assert scene.complete() is True


def test_rule_5_expiry_of_the_current_launch_leaves_live_codes_of_others_alone() -> None:
    scene = Scene(sms("a", code_length=4, lifetime=400), sms("b", lifetime=60)).accept().at(31)
    assert scene.resend() is True
    scene.accept().at(95).tick()
    assert scene.stands == (State.ENDED, "b", 2)
    assert scene.check() == "InvalidCodeException"
    assert scene.check(scene.code(1)) is True


def test_rule_5_expiry_while_it_waits_is_a_matter_of_the_send_timeout() -> None:
    scene = Scene(sms("a", lifetime=5, restarts=1)).at(6).tick()
    assert scene.stands == (State.WAIT, "a", 1)
    assert scene.at(10).tick().stands == (State.ENDED, "a", 1)
    assert scene.launch.reason is Reason.TIMED_OUT
    assert scene.check(scene.code(1)) == "ResendChannelException"


def test_rule_5_expiry_several_deadlines_may_have_passed_unseen() -> None:
    scene = Scene(sms("a"), sms("b", lifetime=20)).at(10).tick()
    assert scene.stands == (State.WAIT, "b", 2)
    scene.at(11).accept()
    assert scene.at(2000).tick().state is State.CLOSED
    late = Scene(sms("a", lifetime=600)).report("delivered").at(700).tick()
    assert late.stands == (State.ENDED, "a", 1)


def test_rule_5_expiry_is_seen_by_whoever_comes_first() -> None:
    scene = Scene(sms("a"), sms("b")).accept().at(400)
    assert scene.resend() is True
    assert [name for name, _, _ in scene.timeline()][-3:] == ["expired", "resend", "launch"]


def test_rule_5_expiry_when_a_turned_launch_was_sent_earlier() -> None:
    scene = Scene(push("a", lifetime=100)).accept().at(50).turn(CodeType.CODE)
    assert scene.seconds(scene.page.expires_at) == 100
    assert scene.at(100).tick().state is State.ENDED


def test_rule_5_expiry_of_one_session_reads_nothing_but_its_arguments() -> None:
    scene = Scene(sms("a"), sms("b")).accept().at(300)
    before = scene.session
    scene.tick()
    first = scene.session
    scene.session = before
    scene.tick()
    assert scene.session == first
    assert before == replace(before)
