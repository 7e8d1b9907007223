"""Rule 8: resend."""

import pytest
from msgspec.structs import replace

from kaskad.core import errors
from kaskad.core.effects import PushJob, Take
from kaskad.core.limits import HOUR, MINUTE, Window
from kaskad.core.model import ChannelType, NextMove, State, WidgetLimits
from packages.kaskad.tests.core.scene import RUSSIAN, Scene, push, sms


def retry_after(scene: Scene) -> object:
    answer = scene.step.answer
    assert isinstance(answer, errors.KaskadError)
    assert answer.payload is not None
    assert answer.payload["retryAfter"] == answer.retry_after_s
    return answer.retry_after_s


def test_rule_8_resend_restarts_while_there_are_restarts_then_takes_the_next() -> None:
    scene = Scene(
        sms("a", restarts=2), sms("b"), limits=WidgetLimits(per_recipient_per_minute=9)
    ).accept()
    stands = []
    for at in (30, 60, 90, 120):
        stands.append((scene.at(at).resend(), *scene.stands))
        scene.accept()
    assert stands == [
        (True, State.WAIT, "a", 2),
        (True, State.WAIT, "a", 3),
        (True, State.WAIT, "b", 4),
        ("NoAvailableChannelsException", State.SENT, "b", 4),
    ]


def test_rule_8_resend_commits_launch_job_and_count_in_one_step() -> None:
    scene = Scene(sms("a", restarts=1)).accept().at(30)
    assert scene.resend() is True
    job, take = scene.step.effects
    assert isinstance(job, PushJob)
    assert (job.launch, job.due_at) == (2, scene.now)
    assert take == Take(
        subject=f"sends:{RUSSIAN.number}",
        windows=(Window(limit=3, span=MINUTE), Window(limit=10, span=HOUR)),
        refuse=False,
    )
    assert scene.launch.asked


def test_rule_8_resend_another_way_skips_the_restarts() -> None:
    scene = Scene(sms("a", restarts=2), sms("b")).accept().at(30)
    assert scene.resend(another_way=True) is True
    assert scene.stands == (State.WAIT, "b", 2)


def test_rule_8_resend_another_way_without_one_has_no_channels_though_restarts_are_left() -> None:
    scene = Scene(sms("a", restarts=2)).accept().at(30)
    assert scene.resend(another_way=True) == "NoAvailableChannelsException"
    assert scene.stands == (State.SENT, "a", 1)
    assert scene.resend() is True


def test_rule_8_resend_with_nothing_left_changes_nothing_and_the_code_stays_good() -> None:
    scene = Scene(sms("a")).accept()
    before = scene.session
    assert scene.at(1).resend() == "NoAvailableChannelsException"
    assert replace(scene.session, timeline=(), version=0) == replace(before, timeline=(), version=0)
    assert scene.check(scene.code()) is True


def test_rule_8_resend_nothing_left_is_answered_before_the_cooldown() -> None:
    assert Scene(sms("a")).accept().resend() == "NoAvailableChannelsException"
    assert Scene(sms("a")).resend() == "NoAvailableChannelsException"


@pytest.mark.parametrize(
    ("at", "expected", "wait"),
    [
        (2, "RestartCooldownActiveException", 30),
        (2.5, "RestartCooldownActiveException", 30),
        (31, "RestartCooldownActiveException", 1),
        (31.999, "RestartCooldownActiveException", 1),
        (32, True, None),
    ],
)
def test_rule_8_resend_before_the_cooldown_is_refused(
    at: float, expected: object, wait: int | None
) -> None:
    scene = Scene(sms("a", restarts=1)).at(2).accept()
    assert scene.seconds(scene.page.resend_at) == 32
    assert scene.at(at).resend() == expected
    if wait is not None:
        assert retry_after(scene) == wait
        assert scene.step.effects == ()
        assert len(scene.session.launches) == 1


@pytest.mark.parametrize(("at", "wait"), [(0, 40), (4, 36), (9.5, 31)])
def test_rule_8_resend_while_waiting_waits_for_the_rest_of_the_timeout_as_well(
    at: float, wait: int
) -> None:
    scene = Scene(sms("a", restarts=1)).at(at)
    assert scene.resend() == "RestartCooldownActiveException"
    assert retry_after(scene) == wait
    assert scene.seconds(scene.page.resend_at) == 40


def test_rule_8_resend_has_no_cooldown_when_the_launch_has_ended() -> None:
    scene = Scene(sms("a", restarts=1, lifetime=5)).accept().at(5)
    assert scene.resend() is True
    scene = Scene(sms("a", restarts=1)).error()
    assert scene.resend() is True
    scene = Scene(push("a"), sms("b")).accept().report("declined")
    assert scene.resend() is True


def test_rule_8_resend_a_cooldown_of_its_own_channel() -> None:
    scene = Scene(sms("a", restarts=1, cooldown=90), sms("b", cooldown=5)).accept()
    assert scene.at(89).resend() == "RestartCooldownActiveException"
    assert scene.at(90).resend() is True


def test_rule_8_resend_counts_restarts_of_the_current_setting() -> None:
    scene = Scene(sms("a")).accept().at(30)
    scene.change("a", number_of_restart=1)
    assert scene.resend() is True
    scene.accept().at(60)
    assert scene.resend() == "NoAvailableChannelsException"


def test_rule_8_resend_does_not_restart_a_channel_that_has_become_unsuitable() -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).accept().at(30)
    scene.channels = (replace(scene.channels[0], enabled=False), scene.channels[1])
    assert scene.resend() is True
    assert scene.launch.channel == "b"


def test_rule_8_resend_does_not_restart_a_channel_that_has_left_the_cascade() -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).accept().at(30)
    scene.channels = scene.channels[1:]
    assert scene.resend() is True
    assert scene.launch.channel == "b"


def test_rule_8_resend_that_cannot_be_delivered_leaves_earlier_codes_valid() -> None:
    scene = Scene(sms("a", restarts=1)).accept().at(31)
    digits = scene.code()
    assert scene.resend() is True
    assert scene.reject().stands == (State.SENT, "a", 1)
    assert scene.check(digits) is True


def test_rule_8_resend_that_takes_a_new_number_leaves_the_old_code_valid() -> None:
    scene = Scene(sms("a", lifetime=900, restarts=1), lifetime=2000).accept()
    digits = scene.code()
    assert scene.at(560).resend() is True
    assert scene.accept().code() != digits
    assert scene.at(599).check(digits) is True


def test_rule_8_resend_gives_no_attempt_back() -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).accept()
    assert scene.check() == "InvalidCodeException"
    for at in (31, 62):
        assert scene.at(at).resend() is True
        scene.accept()
        assert scene.session.misses == 1
        assert scene.misses_of("a") == 1


def test_rule_8_resend_after_confirmation_is_refused() -> None:
    scene = Scene(sms("a", restarts=1)).accept()
    assert scene.check(scene.code()) is True
    assert scene.at(40).resend() == "SessionAlreadyConfirmedException"
    assert scene.complete() is True
    assert scene.resend() == "SessionAlreadyConfirmedException"


def test_rule_8_resend_after_an_uncollected_confirmation_is_refused_the_same_way() -> None:
    scene = Scene(sms("a", restarts=1)).accept()
    assert scene.check(scene.code()) is True
    assert scene.at(901).resend() == "SessionAlreadyConfirmedException"
    assert scene.state is State.CLOSED


def test_rule_8_resend_past_the_lifetime_has_no_channels() -> None:
    scene = Scene(sms("a", restarts=1)).accept().at(900)
    assert scene.resend() == "NoAvailableChannelsException"
    assert scene.state is State.CLOSED


def test_rule_8_resend_of_a_cancelled_session_has_no_channels() -> None:
    scene = Scene(sms("a", restarts=1)).accept()
    assert scene.cancel() is True
    assert scene.at(40).resend() == "NoAvailableChannelsException"


# --- limits of resends


def test_rule_8_resend_is_limited_by_the_sends_of_its_own_session() -> None:
    scene = Scene(sms("a", restarts=9, cooldown=1)).accept()
    for at in (10, 20):
        assert scene.at(at).resend() is True
        scene.accept()
    assert scene.at(30).resend() == "RateLimitException"
    assert retry_after(scene) == 30
    assert scene.step.effects == ()
    assert scene.at(59.999).resend() == "RateLimitException"
    assert retry_after(scene) == 1
    assert scene.at(60).resend() is True


def test_rule_8_resend_is_limited_by_the_hour_as_well() -> None:
    limits = WidgetLimits(per_recipient_per_minute=9, per_recipient_per_hour=3)
    scene = Scene(sms("a", restarts=9, cooldown=1), limits=limits, lifetime=9999).accept()
    for at in (10, 20):
        assert scene.at(at).resend() is True
        scene.accept()
    assert scene.at(290).resend() == "RateLimitException"
    assert retry_after(scene) == 3310


def test_rule_8_resend_automatic_moves_do_not_count() -> None:
    scene = Scene(sms("a"), sms("b"), sms("c"), sms("d", restarts=1, cooldown=1))
    scene.reject().reject().reject().accept()
    assert [launch.asked for launch in scene.session.launches] == [True, False, False, False]
    assert scene.at(10).resend() is True


def test_rule_8_resend_a_limit_of_the_widget_as_it_is_now() -> None:
    scene = Scene(sms("a", restarts=9, cooldown=1)).accept().at(10)
    assert scene.widget is not None
    scene.widget = replace(scene.widget, limits=WidgetLimits(per_recipient_per_minute=1))
    assert scene.resend() == "RateLimitException"


def test_rule_8_resend_the_cooldown_is_answered_before_the_limit() -> None:
    limits = WidgetLimits(per_recipient_per_minute=1)
    scene = Scene(sms("a", restarts=9), limits=limits).accept().at(10)
    assert scene.resend() == "RestartCooldownActiveException"
    assert scene.at(31).resend() == "RateLimitException"


def test_rule_8_resend_after_expiry_is_limited_too() -> None:
    limits = WidgetLimits(per_recipient_per_minute=1)
    scene = Scene(sms("a", restarts=9, lifetime=5), limits=limits).accept().at(6)
    assert scene.resend() == "RateLimitException"
    assert scene.state is State.ENDED


def test_rule_8_resend_shows_the_page_what_it_would_do() -> None:
    scene = Scene(sms("a", restarts=1), push("b")).accept()
    push_b = NextMove(action="channel", type=ChannelType.SIM_PUSH, label="B")
    assert scene.page.next == NextMove(action="restart", type=ChannelType.SMS, label="A")
    assert scene.page.another == push_b
    assert scene.at(31).resend() is True
    assert (scene.page.next, scene.page.another) == (push_b, push_b)
    scene.accept().at(62)
    assert scene.resend() is True
    last = scene.page
    assert (last.next, last.another, last.resend_at) == (None, None, None)


def test_rule_8_resend_offers_another_way_only_where_there_is_one() -> None:
    scene = Scene(sms("a", restarts=1)).accept()
    assert scene.page.next == NextMove(action="restart", type=ChannelType.SMS, label="A")
    assert scene.page.another is None
    assert scene.at(31).resend(another_way=True) == "NoAvailableChannelsException"
