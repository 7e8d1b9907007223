"""Rules 6 and 7: typing codes, before and after confirmation."""

import pytest

from kaskad.core.codes import Keyring
from kaskad.core.effects import Take
from kaskad.core.limits import DAY, Window
from kaskad.core.model import ChannelType, CodeType, State, WidgetLimits
from kaskad.core.view import code_deadline, launch_deadline
from packages.kaskad.tests.core.scene import RUSSIAN, WRONG, Scene, channel, push, sms

# --- rule 6: checkCode


def after_two_sends(*channels: object, **limits: int) -> Scene:
    """Both launches sent, at 0 s and 31 s; the second is current."""
    scene = Scene(*channels, limits=WidgetLimits(**limits))  # type: ignore[arg-type]  # channels
    assert scene.accept().at(31).resend() is True
    return scene.accept()


def test_rule_6_check_code_a_hit_confirms() -> None:
    scene = Scene(sms()).accept()
    assert scene.check(scene.code()) is True
    assert scene.state is State.CONFIRMED
    assert scene.session.confirmed_at == scene.now
    assert scene.takes == ()


def test_rule_6_check_code_a_miss_costs_the_session_and_the_channel_one_attempt() -> None:
    scene = Scene(sms()).accept()
    assert scene.page.remaining_code_attempts == 3
    assert scene.check() == "InvalidCodeException"
    assert (scene.session.misses, scene.misses_of("sms")) == (1, 1)
    assert scene.page.remaining_code_attempts == 2
    failed = Window(limit=20, span=DAY)
    assert scene.takes == (
        Take(subject=f"failed:{RUSSIAN.number}", windows=(failed,), refuse=False),
    )


def test_rule_6_check_code_counts_failures_by_default_limits_when_the_widget_is_gone() -> None:
    scene = Scene(sms(), limits=WidgetLimits(failed_checks_per_recipient_per_day=2)).accept()
    assert scene.check() == "InvalidCodeException"
    assert scene.takes[0].windows[0].limit == 2
    scene.widget, scene.channels = None, ()
    assert scene.check() == "InvalidCodeException"
    assert scene.takes[0].windows[0].limit == 20


@pytest.mark.parametrize("tries", [1, 2, 3, 4])
def test_rule_6_check_code_a_channel_at_zero_is_over_after_exactly_its_tries(tries: int) -> None:
    scene = Scene(sms(tries=tries), sms("b")).accept()
    for _ in range(tries - 1):
        assert scene.check() == "InvalidCodeException"
    assert scene.page.remaining_code_attempts == 1
    assert scene.check() == "AttemptsExpiredException"
    assert scene.state is State.SPENT
    assert scene.seen == "AttemptsExpiredException"
    assert scene.session.next is None
    for answer in (scene.check(scene.code(1)), scene.resend(), scene.check_and_complete()):
        assert answer == "AttemptsExpiredException"
    assert scene.complete() is False
    assert scene.session.misses == tries


def test_rule_6_check_code_the_last_attempt_may_still_hit() -> None:
    scene = Scene(sms(tries=3)).accept()
    assert [scene.check(), scene.check()] == ["InvalidCodeException"] * 2
    assert scene.check(scene.code()) is True


def test_rule_6_check_code_restarts_share_the_tries_of_their_channel() -> None:
    scene = Scene(sms(restarts=2)).accept()
    assert scene.check() == "InvalidCodeException"
    assert scene.at(31).resend() is True
    assert scene.page.remaining_code_attempts == 2
    assert scene.accept().check() == "InvalidCodeException"
    assert scene.at(62).resend() is True
    assert scene.accept().check() == "AttemptsExpiredException"


def test_rule_6_check_code_a_new_number_gives_no_attempt_back() -> None:
    scene = Scene(sms(restarts=2, lifetime=60)).accept()
    assert scene.check() == "InvalidCodeException"
    first = scene.code()
    assert scene.at(61).resend() is True
    assert scene.accept().code() != first
    assert scene.page.remaining_code_attempts == 2


def test_rule_6_check_code_the_session_at_zero_is_over_whatever_the_channel_has() -> None:
    scene = after_two_sends(sms("a", tries=9), sms("b", tries=9), code_attempts_per_session=2)
    assert scene.page.remaining_code_attempts == 2
    assert scene.check() == "InvalidCodeException"
    assert scene.check() == "AttemptsExpiredException"
    assert scene.misses_of("b") == 2
    assert scene.state is State.SPENT


def test_rule_6_check_code_the_session_has_five_attempts_over_all_channels() -> None:
    scene = Scene(*(sms(name, tries=3) for name in "abc")).accept()
    for at in (1, 2):
        assert scene.at(at).check() == "InvalidCodeException"
    assert scene.at(31).resend() is True
    assert scene.accept().page.remaining_code_attempts == 3
    assert scene.check() == "InvalidCodeException"
    assert scene.misses_of("a") == 3
    assert scene.check() == "InvalidCodeException"
    assert (scene.misses_of("a"), scene.misses_of("b")) == (3, 2)
    assert scene.page.remaining_code_attempts == 1
    assert scene.check() == "AttemptsExpiredException"


def test_rule_6_check_code_a_miss_is_charged_to_every_channel_whose_code_is_live() -> None:
    scene = after_two_sends(sms("a", code_length=4), sms("b", code_length=6))
    assert scene.check() == "InvalidCodeException"
    assert scene.session.channel_misses == (("a", 1), ("b", 1))
    assert scene.session.misses == 1


def test_rule_6_check_code_a_miss_is_not_charged_to_a_channel_that_only_waits() -> None:
    scene = Scene(sms("a"), sms("b")).accept().at(31)
    assert scene.resend() is True
    assert scene.check() == "InvalidCodeException"
    assert scene.session.channel_misses == (("a", 1),)
    assert scene.page.remaining_code_attempts == 3


def test_rule_6_check_code_a_miss_is_not_charged_to_a_channel_past_its_deadline() -> None:
    scene = after_two_sends(sms("a", code_length=4, lifetime=40), sms("b"))
    assert scene.at(45).check() == "InvalidCodeException"
    assert scene.session.channel_misses == (("b", 1),)


def test_rule_6_check_code_an_earlier_channel_at_zero_has_no_live_code() -> None:
    scene = after_two_sends(sms("a", code_length=4, tries=1), sms("b", tries=3))
    assert scene.check() == "InvalidCodeException"
    assert scene.state is State.SENT
    assert scene.check(scene.code(1)) == "InvalidCodeException"
    assert (scene.misses_of("a"), scene.misses_of("b")) == (1, 2)
    assert scene.check(scene.code(2)) is True


def test_rule_6_check_code_any_live_code_confirms_whatever_is_current() -> None:
    scene = after_two_sends(sms("a", code_length=4), sms("b"))
    assert scene.check(scene.code(1)) is True


@pytest.mark.parametrize("what", ["wait", "ended", "codeless"])
def test_rule_6_check_code_a_live_code_counts_while_the_current_launch_is(what: str) -> None:
    after = push("b", lifetime=5) if what != "wait" else sms("b", code_length=8)
    scene = Scene(sms("a"), after).accept().at(31)
    assert scene.resend() is True
    if what != "wait":
        scene.accept()
    if what == "ended":
        scene.after(5).tick()
    assert scene.state is {"wait": State.WAIT, "ended": State.ENDED}.get(what, State.SENT)
    assert scene.check() == "InvalidCodeException"
    assert scene.session.channel_misses == (("a", 1),)
    assert scene.check(scene.code(1)) is True


def test_rule_6_check_code_misses_on_a_codeless_launch_end_with_the_session() -> None:
    scene = Scene(sms("a", tries=5), push("b", tries=1)).accept().at(31)
    assert scene.resend() is True
    scene.accept()
    assert scene.page.remaining_code_attempts == 0
    assert [scene.check() for _ in range(4)] == ["InvalidCodeException"] * 4
    assert scene.check() == "AttemptsExpiredException"


def test_rule_6_check_code_spent_while_a_restart_waits_drops_its_job() -> None:
    scene = Scene(sms(tries=1, restarts=1)).accept().at(31)
    assert scene.resend() is True
    assert scene.check() == "AttemptsExpiredException"
    assert len(scene.jobs) == 1


def test_rule_6_check_code_without_a_live_code_is_free() -> None:
    waiting = Scene(sms())
    assert waiting.check(waiting.code()) == "InvalidCodeException"
    codeless = Scene(push()).accept()
    assert codeless.check() == "IsCodelessChannelException"
    ended = Scene(sms(restarts=1)).accept().at(300)
    assert ended.check(ended.code()) == "ResendChannelException"
    errored = Scene(sms(restarts=1)).error()
    assert errored.check(errored.code()) == "ResendChannelException"
    for scene in (waiting, codeless, ended, errored):
        assert scene.session.misses == 0
        assert scene.session.channel_misses == ()
        assert scene.takes == ()


def test_rule_6_check_code_a_codeless_launch_that_waits_has_no_code_either() -> None:
    assert Scene(push()).check() == "IsCodelessChannelException"


def test_rule_6_check_code_a_launch_that_timed_out_has_a_live_code() -> None:
    scene = Scene(sms("a"), sms("b", code_length=8)).at(10).tick()
    assert scene.stands == (State.WAIT, "b", 2)
    assert scene.check(scene.code(1)) is True


@pytest.mark.parametrize("act", ["reject", "error"])
def test_rule_6_check_code_a_launch_that_never_left_has_none(act: str) -> None:
    scene = Scene(sms("a"), sms("b", code_length=8))
    getattr(scene, act)()
    assert scene.check(scene.code(1)) == "InvalidCodeException"
    assert scene.session.misses == 0


def test_rule_6_check_code_remaining_is_the_smaller_rest() -> None:
    scene = Scene(sms(tries=9), limits=WidgetLimits(code_attempts_per_session=4)).accept()
    assert scene.page.remaining_code_attempts == 4
    scene = Scene(sms(tries=2), limits=WidgetLimits(code_attempts_per_session=4)).accept()
    assert scene.page.remaining_code_attempts == 2


def test_rule_6_check_code_remaining_never_goes_below_zero() -> None:
    scene = Scene(sms(restarts=1)).accept()
    assert [scene.check(), scene.check()] == ["InvalidCodeException"] * 2
    scene.change("sms", number_of_tries=1)
    assert scene.at(31).resend() is True
    assert scene.accept().page.remaining_code_attempts == 0
    assert scene.check() == "AttemptsExpiredException"


def test_rule_6_check_code_small_sets_of_codes_have_at_most_three_tries() -> None:
    assert Scene(sms(code_length=4, tries=9)).launch.settings.number_of_tries == 3
    assert Scene(sms(code_length=5, tries=9)).launch.settings.number_of_tries == 3
    assert Scene(sms(code_length=5, tries=2)).launch.settings.number_of_tries == 2
    assert Scene(sms(code_length=6, tries=9)).launch.settings.number_of_tries == 9
    assert Scene(channel(beautify=True, tries=9)).launch.settings.number_of_tries == 3


# --- code life (used by rules 5 and 6)


def two_channels(first: int, second: int) -> Scene:
    return after_two_sends(sms("a", code_length=first), sms("b", code_length=second))


def test_codes_are_shared_by_channels_of_one_length() -> None:
    scene = two_channels(6, 6)
    assert scene.code(1) == scene.code(2)
    assert len(scene.session.codes) == 1
    assert two_channels(6, 4).code(1) != two_channels(6, 4).code(2)


def test_codes_are_shared_again_after_another_length() -> None:
    scene = Scene(sms("a"), sms("b", code_length=4), sms("c")).reject().reject()
    assert scene.code(1) == scene.code(3)
    assert len(scene.session.codes) == 2


def test_codes_are_not_shared_by_readable_and_plain_sets() -> None:
    scene = Scene(channel("a", beautify=True, restarts=0), sms("b")).reject()
    assert scene.code(1) != scene.code(2)


def test_a_late_message_still_works() -> None:
    scene = after_two_sends(sms("a"), channel("b", ChannelType.VOICE))
    assert scene.check(scene.code(1)) is True


@pytest.mark.parametrize(
    ("lifetime", "restart_at", "same"),
    [
        (900, 540, True),  # 60 s are left of the 600
        (900, 540.001, False),
        (45, 44, True),
        (45, 45, False),  # past its deadline
        (300, 299, True),
        (300, 300, False),
    ],
)
def test_a_restart_takes_a_new_number_when_the_code_is_too_old(
    lifetime: int, restart_at: float, same: bool
) -> None:
    scene = Scene(sms(lifetime=lifetime, restarts=1)).accept()
    first = scene.launch.code
    assert scene.at(restart_at).resend() is True
    assert (scene.launch.code == first) is same


def test_a_short_life_needs_no_full_minute_of_the_600_s() -> None:
    scene = Scene(sms(lifetime=45, restarts=20), limits=WidgetLimits(per_recipient_per_hour=99))
    scene.accept()
    for step in range(1, 14):
        assert scene.at(44 * step).resend() is True
        scene.accept()
    # 44 * 12 = 528: 72 s are left; 44 * 13 = 572: only 28 s are.
    assert [launch.code for launch in scene.session.launches] == [1] * 13 + [2]


def test_a_code_that_never_left_is_used_again_however_old() -> None:
    scene = Scene(sms("a", restarts=1), lifetime=5000).error().at(2000)
    assert scene.resend() is True
    assert scene.launch.code == 1


def test_no_code_outlives_600_s_from_its_first_sending() -> None:
    scene = Scene(sms(lifetime=900, restarts=1), lifetime=2000).at(1).accept()
    assert scene.seconds(scene.page.expires_at) == 601
    assert scene.at(500).resend() is True
    scene.at(501).accept()
    assert scene.seconds(scene.page.expires_at) == 601
    assert scene.at(601).check(scene.code(1)) != "InvalidCodeException"
    assert scene.state is State.ENDED


def test_a_code_works_until_just_before_600_s() -> None:
    scene = Scene(sms(lifetime=900), lifetime=2000).at(1).accept().at(600.999)
    assert scene.check(scene.code()) is True


def test_the_newest_launch_of_a_code_sets_its_deadline() -> None:
    scene = Scene(sms(lifetime=300, restarts=1)).accept().at(200)
    assert scene.resend() is True
    scene.at(201).accept()
    assert scene.seconds(scene.page.expires_at) == 501
    assert scene.seconds(code_deadline(scene.session, 1)) == 501
    scene.at(500)
    assert scene.check(scene.code(1)) is True


def test_a_restart_that_never_left_does_not_lengthen_the_code() -> None:
    scene = Scene(sms(lifetime=300, restarts=1)).accept().at(200)
    assert scene.resend() is True
    assert scene.error().stands == (State.SENT, "sms", 1)
    assert scene.seconds(scene.page.expires_at) == 300


def test_a_launch_that_timed_out_counts_from_its_start() -> None:
    scene = Scene(sms("a", lifetime=300), sms("b", code_length=8)).at(10).tick()
    assert scene.session.launches[0].sent_at is not None
    assert scene.seconds(scene.session.launches[0].sent_at) == 0
    assert scene.seconds(code_deadline(scene.session, 1)) == 300


def test_an_unsent_launch_has_no_deadline_but_that_of_the_session() -> None:
    scene = Scene(push())
    assert launch_deadline(scene.session, scene.launch) == scene.session.expires_at


def test_an_unsent_code_has_no_deadline_but_that_of_the_session() -> None:
    scene = Scene(sms())
    assert code_deadline(scene.session, 1) == scene.session.expires_at
    assert scene.page.expires_at == scene.session.expires_at


# --- provider-chosen codes and turned launches


def test_a_provider_chosen_code_is_kept_as_a_digest_only() -> None:
    scene = Scene(channel("f", ChannelType.FLASHCALL, code_length=6, tries=5)).accept(code="48-21")
    code = scene.session.codes[1]
    assert (scene.launch.code, code.length) == (2, 4)
    assert code.digest is not None
    assert b"4821" not in code.digest
    assert "4821" not in repr(scene.session)
    assert scene.launch.settings.number_of_tries == 3
    assert scene.page.settings.code_length == 4


def test_a_provider_chosen_code_confirms_and_the_derived_one_does_not() -> None:
    scene = Scene(channel("f", ChannelType.FLASHCALL))
    derived = scene.code()
    scene.accept(code="4821")
    assert scene.check(derived) == "InvalidCodeException"
    assert scene.check("4 8 2 1") is True
    assert scene.check("4821") is True


def test_a_provider_chosen_code_is_not_shared_with_other_channels() -> None:
    scene = Scene(channel("f", ChannelType.FLASHCALL, code_length=4), sms("b", code_length=4))
    scene.accept(code="4821").at(31)
    assert scene.resend(another_way=True) is True
    assert scene.launch.code == 1
    assert scene.session.codes[0].digest is None


def test_a_provider_chosen_code_turns_a_codeless_launch() -> None:
    scene = Scene(push()).accept(code="123456")
    assert scene.launch.code_type is CodeType.CODE
    assert scene.check("123456") is True


def test_accepting_may_turn_the_launch() -> None:
    scene = Scene(push()).accept(turned=CodeType.CODE)
    assert scene.launch.first_code_type is CodeType.CODELESS
    assert scene.page.code_type is CodeType.CODE
    assert scene.check(scene.code()) is True
    scene = Scene(sms()).accept(turned=CodeType.CODELESS)
    assert scene.page.code_type is CodeType.CODELESS
    assert scene.check() == "IsCodelessChannelException"


def test_accepting_as_what_it_is_turns_nothing() -> None:
    scene = Scene(sms()).accept(turned=CodeType.CODE)
    assert scene.launch.code == 1
    assert len(scene.session.codes) == 1


def test_a_running_launch_may_be_turned_and_back() -> None:
    scene = Scene(sms()).accept()
    digits = scene.code()
    scene.at(5).turn(CodeType.CODELESS)
    assert scene.page.code_type is CodeType.CODELESS
    assert scene.page.remaining_code_attempts == 0
    assert scene.seconds(scene.page.expires_at) == 300
    assert scene.check(digits) == "IsCodelessChannelException"
    scene.at(6).turn(CodeType.CODE)
    assert scene.check(digits) is True


def test_a_launch_that_waits_may_be_turned() -> None:
    scene = Scene(push()).turn(CodeType.CODE)
    assert scene.stands == (State.WAIT, "push", 1)
    assert scene.session.codes[0].first_sent_at is None
    assert scene.accept().check(scene.code()) is True


def test_a_code_of_a_turned_launch_counts_from_the_turn() -> None:
    scene = Scene(push(lifetime=800)).accept().at(100).turn(CodeType.CODE)
    assert scene.seconds(scene.session.codes[0].first_sent_at) == 100
    assert scene.seconds(scene.page.expires_at) == 700


@pytest.mark.parametrize("launch", [1, 3])
def test_only_the_current_launch_is_turned(launch: int) -> None:
    scene = Scene(sms("a"), sms("b")).reject().turn(CodeType.CODELESS, launch)
    assert [x.code_type for x in scene.session.launches] == [CodeType.CODE] * 2
    assert scene.step.note == "late"


def test_turning_to_what_it_is_changes_nothing() -> None:
    assert Scene(sms()).accept().turn(CodeType.CODE).step.note == "late"


# --- rule 7: after confirmation


def test_rule_7_after_confirmation_the_same_code_answers_success_again() -> None:
    scene = Scene(sms()).accept()
    digits = scene.code()
    assert [scene.check(digits) for _ in range(3)] == [True] * 3
    assert scene.session.misses == 0


def test_rule_7_after_confirmation_every_code_that_was_live_then_does() -> None:
    scene = two_channels(4, 6)
    assert scene.check(scene.code(2)) is True
    assert scene.check(scene.code(1)) is True
    assert scene.session.confirmed_codes == (1, 2)


def test_rule_7_after_confirmation_a_code_that_was_dead_then_does_not() -> None:
    scene = after_two_sends(sms("a", code_length=4, lifetime=40), sms("b")).at(45)
    assert scene.check(scene.code(2)) is True
    assert scene.check(scene.code(1)) == "InvalidCodeException"


def test_rule_7_after_confirmation_any_other_is_free_and_changes_nothing() -> None:
    scene = Scene(sms(tries=1), sms("b")).accept()
    assert scene.check(scene.code()) is True
    shown = scene.session.view_version
    assert [scene.check(WRONG) for _ in range(9)] == ["InvalidCodeException"] * 9
    assert scene.state is State.CONFIRMED
    assert (scene.session.misses, scene.session.channel_misses) == (0, ())
    assert scene.session.view_version == shown
    assert scene.takes == ()
    assert scene.complete() is True


def test_rule_7_after_confirmation_by_push_the_live_code_of_a_message_is_good() -> None:
    scene = after_two_sends(sms("a"), push("b")).report("confirmed")
    assert scene.check(scene.code(1)) is True


def test_rule_7_after_confirmation_ends_with_completion() -> None:
    scene = Scene(sms()).accept()
    digits = scene.code()
    assert scene.check(digits) is True
    assert scene.complete() is True
    assert scene.check(digits) == "SessionClosedException"


@pytest.mark.parametrize(("at", "expires"), [(1, 900), (600, 900), (601, 901), (899, 1199)])
def test_rule_7_after_confirmation_the_session_lives_at_least_300_s(at: int, expires: int) -> None:
    scene = Scene(sms("a", restarts=1, lifetime=900)).accept().at(at)
    if at >= 540:
        scene.resend()
        scene.accept()
    assert scene.check(scene.code()) is True
    assert scene.seconds(scene.session.expires_at) == expires
    assert scene.seconds(scene.page.expires_at) == expires
    assert scene.at(expires - 0.001).tick().state is State.CONFIRMED
    assert scene.at(expires).tick().state is State.CLOSED


def test_rule_7_after_confirmation_nothing_is_left_to_resend() -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).accept()
    assert scene.page.resend_at is not None
    assert scene.check(scene.code()) is True
    assert scene.page.next is None
    assert scene.page.resend_at is None


def test_rule_6_check_code_compares_under_an_old_key_while_it_is_accepted() -> None:
    old, new = b"o" * 32, b"n" * 32
    scene = Scene(sms(restarts=1), keys=Keyring([old])).accept()
    digits = scene.code()
    scene.keys = Keyring([new, old])
    assert scene.at(31).resend() is True
    assert scene.code() == digits
    assert scene.check(digits) is True


def test_rule_6_check_code_a_key_taken_away_kills_its_codes() -> None:
    old, new = b"o" * 32, b"n" * 32
    scene = Scene(sms(restarts=1), keys=Keyring([old])).accept()
    digits = scene.code()
    scene.keys = Keyring([new])
    assert scene.check(digits) == "InvalidCodeException"
    assert scene.at(31).resend() is True
    assert scene.launch.code == 2
    assert scene.accept().check(scene.code()) is True
