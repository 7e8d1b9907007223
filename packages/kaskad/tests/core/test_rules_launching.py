"""Rules 1 to 3: the start, launches, and late bad news."""

from datetime import timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from kaskad.core.cascade import Cascade, Context
from kaskad.core.effects import DropJob, PushJob, Step, Take
from kaskad.core.errors import KaskadError, NoAvailableChannelsException
from kaskad.core.limits import DAY, HOUR, MINUTE, Window
from kaskad.core.model import (
    ChannelType,
    CodeType,
    LaunchState,
    NextMove,
    NumberType,
    Reason,
    Recipient,
    Rules,
    State,
    Template,
    Widget,
    WidgetLimits,
)
from kaskad.core.session import Start, start
from packages.kaskad.tests.core.scene import KEYS, NOON, RUSSIAN, Scene, channel, push, sms

WIDGET = Widget(id="w", tenant="t", name="W", channels=("sms",))


def begin(*channels: object, locale: str = "ru", address: str | None = None) -> Step | KaskadError:
    wish = Start(
        id="s", widget=WIDGET, recipient=RUSSIAN, locale=locale, lifetime_s=900, address=address
    )
    cascade = Cascade(widget=WIDGET, channels=channels)  # type: ignore[arg-type]  # only channels
    return start(wish, NOON, Context(cascade=cascade, keyring=KEYS))


# --- rule 1: start


def test_rule_1_start_commits_session_launch_and_job_in_one_step() -> None:
    scene = Scene(sms(), lifetime=1200)
    assert scene.stands == (State.WAIT, "sms", 1)
    assert scene.session.version == scene.session.view_version == 1
    assert scene.session.created_at == NOON
    assert scene.session.expires_at == NOON + timedelta(seconds=1200)
    assert scene.launch.asked
    assert scene.step.answer is True
    assert scene.jobs == (
        PushJob(
            session="session",
            launch=1,
            lane="tenant/sms-provider",
            due_at=NOON,
            expires_at=NOON + timedelta(seconds=10),
        ),
    )
    assert list(scene.timeline()) == [("launch", 1, "sms")]


def test_rule_1_start_takes_the_limits_with_the_launch() -> None:
    step = begin(sms(), address="10.0.0.1")
    assert isinstance(step, Step)
    number = RUSSIAN.number
    assert step.effects[1:] == (
        Take(subject=f"failed:{number}", windows=(Window(limit=20, span=DAY),), weightless=True),
        Take(
            subject=f"sends:{number}",
            windows=(Window(limit=3, span=MINUTE), Window(limit=10, span=HOUR)),
        ),
        Take(subject="address:10.0.0.1", windows=(Window(limit=10, span=MINUTE),)),
    )
    assert all(e.refuse for e in step.effects if isinstance(e, Take))


def test_rule_1_start_without_an_address_has_no_address_limit() -> None:
    step = begin(sms())
    assert isinstance(step, Step)
    assert [e.subject.partition(":")[0] for e in step.effects if isinstance(e, Take)] == [
        "failed",
        "sends",
    ]


@pytest.mark.parametrize(
    "limits",
    [WidgetLimits(), WidgetLimits(per_recipient_per_minute=7, code_attempts_per_session=9)],
    ids=["default", "own"],
)
def test_rule_1_start_uses_the_limits_of_the_widget(limits: WidgetLimits) -> None:
    scene = Scene(sms(), limits=limits)
    assert scene.session.code_attempts == limits.code_attempts_per_session
    sends = next(t for t in scene.takes if t.subject.startswith("sends:"))
    assert sends.windows[0].limit == limits.per_recipient_per_minute


def test_rule_1_start_takes_the_first_suitable_channel_and_says_what_was_passed_over() -> None:
    scene = Scene(
        channel("off", enabled=False),
        channel("kz", rules=Rules(countries=("KZ",))),
        sms("good"),
        sms("later"),
    )
    assert scene.stands == (State.WAIT, "good", 1)
    assert list(scene.timeline()) == [("launch", 1, "good; passed over off: disabled, kz: country")]


@pytest.mark.parametrize(
    "only",
    [
        channel(enabled=False),
        channel(templates=()),
        channel(rules=Rules(countries=("KZ", "BY"))),
        channel(rules=Rules(number_types=(NumberType.FIXED_LINE,))),
        channel(rules=Rules(locales=("en",))),
    ],
    ids=["disabled", "no template", "country", "number type", "locale"],
)
def test_rule_1_start_without_a_suitable_channel_makes_no_session(only: object) -> None:
    assert isinstance(begin(only), NoAvailableChannelsException)


def test_rule_1_start_on_an_empty_cascade_makes_no_session() -> None:
    assert isinstance(begin(), NoAvailableChannelsException)


def test_rule_1_start_a_missing_translation_never_makes_a_channel_unsuitable() -> None:
    only = channel(templates=(Template(locale="kk", text="kk"),))
    step = begin(only, locale="en")
    assert isinstance(step, Step)
    assert step.session.launch.text == "kk"


def test_rule_1_start_a_type_without_text_needs_no_template() -> None:
    step = begin(channel("call", ChannelType.FLASHCALL, templates=()))
    assert isinstance(step, Step)
    assert step.session.launch.text == ""


# --- rule 2: launch


def test_rule_2_launch_accepted_is_sent() -> None:
    scene = Scene(sms()).at(2).accept()
    assert scene.stands == (State.SENT, "sms", 1)
    assert scene.launch.sent_at == scene.now
    assert scene.jobs == (DropJob(session="session", launch=1),)


def accept_late(scene: Scene) -> Scene:
    return scene.at(10).tick()


def reject_early(scene: Scene) -> Scene:
    return scene.at(1).reject()


def error_early(scene: Scene) -> Scene:
    return scene.at(1).error()


MISHAPS = {
    "rejected": (reject_early, Reason.REJECTED),
    "errored": (error_early, Reason.ERRORED),
    "no answer in time": (accept_late, Reason.TIMED_OUT),
}


@pytest.mark.parametrize("name", MISHAPS)
def test_rule_2_launch_that_fails_moves_on_by_itself(name: str) -> None:
    happens, reason = MISHAPS[name]
    scene = happens(Scene(sms("a", restarts=1), sms("b")))
    assert scene.stands == (State.WAIT, "b", 2)
    failed = scene.session.launches[0]
    assert (failed.state, failed.reason) == (LaunchState.FAILED, reason)
    assert not scene.launch.asked
    assert scene.jobs[0] == DropJob(session="session", launch=1)
    job = scene.jobs[1]
    assert isinstance(job, PushJob)
    assert (job.launch, job.lane, job.due_at) == (2, "tenant/b-provider", scene.now)
    assert scene.takes == ()


def test_rule_2_launch_waits_for_the_answer_until_its_send_timeout() -> None:
    scene = Scene(sms("a", send_timeout=7), sms("b")).at(6.999).tick()
    assert scene.stands == (State.WAIT, "a", 1)
    assert scene.at(7).tick().stands == (State.WAIT, "b", 2)


def test_rule_2_launch_an_unsure_answer_waits_for_a_report_until_the_send_timeout() -> None:
    scene = Scene(sms("a"), sms("b")).at(1).unsure()
    assert scene.stands == (State.WAIT, "a", 1)
    assert scene.jobs == (DropJob(session="session", launch=1),)
    assert scene.at(10).tick().stands == (State.WAIT, "b", 2)


@pytest.mark.parametrize("kind", ["delivered", "confirmed"])
def test_rule_2_launch_a_report_settles_an_unsure_answer(kind: str) -> None:
    scene = Scene(sms("a"), sms("b")).at(1).unsure().at(2).report(kind)
    assert scene.stands == (State.SENT, "a", 1)
    assert scene.launch.sent_at == scene.now


def test_rule_2_launch_bad_news_settles_an_unsure_answer() -> None:
    scene = Scene(sms("a"), sms("b")).at(1).unsure().at(2).report("undelivered")
    assert scene.stands == (State.WAIT, "b", 2)
    assert scene.session.launches[0].reason is Reason.UNDELIVERED


def test_rule_2_launch_a_second_answer_may_settle_an_unsure_one() -> None:
    assert Scene(sms("a")).at(1).unsure().at(3).accept().stands == (State.SENT, "a", 1)


@pytest.mark.parametrize("kind", ["delivered", "confirmed", "declined"])
def test_rule_2_launch_a_report_proves_what_the_missing_answer_did_not_say(kind: str) -> None:
    scene = Scene(push("a", restarts=1), sms("b")).at(5).report(kind)
    assert scene.stands == (State.WAIT, "a", 1)
    scene.at(10).tick()
    assert scene.launch.number == 1
    assert scene.launch.sent_at == NOON
    expected = {"delivered": State.SENT, "confirmed": State.CONFIRMED, "declined": State.ENDED}
    assert scene.state is expected[kind]


def test_rule_2_launch_a_declined_push_whose_answer_never_came_is_barred() -> None:
    scene = Scene(push("a", restarts=3)).at(5).report("declined").at(10).tick()
    assert scene.session.barred == ("a",)
    assert scene.seen == "NoAvailableChannelsException"


@pytest.mark.parametrize("act", ["accept", "reject", "error", "unsure"])
def test_rule_2_launch_an_answer_for_another_launch_changes_nothing_but_the_timeline(
    act: str,
) -> None:
    scene = Scene(sms("a"), sms("b")).reject()
    for number in (1, 3):
        before = scene.session
        getattr(scene, act)(number)
        assert replace(scene.session, timeline=(), version=0) == replace(
            before, timeline=(), version=0
        )
        assert scene.step.note == "late"
        assert scene.jobs == ()


def test_rule_2_launch_keeps_its_settings_while_the_catalogue_changes() -> None:
    scene = Scene(sms("a", restarts=1)).at(1).accept()
    scene.change("a", lifetime_s=60, number_of_tries=9, restart_cooldown_s=5, code_length=8)
    kept = scene.launch.settings
    assert (kept.lifetime_s, kept.number_of_tries, kept.code_length) == (300, 3, 6)
    assert scene.at(7).resend() == "RestartCooldownActiveException"
    assert scene.at(31).resend() is True
    fresh = scene.launch.settings
    assert (fresh.lifetime_s, fresh.number_of_tries, fresh.code_length) == (60, 9, 8)
    assert len(scene.code()) == 8


def test_rule_2_launch_reads_the_cascade_afresh_at_each_move() -> None:
    scene = Scene(sms("a"), sms("b"))
    scene.channels = (sms("a"), sms("new"), sms("b"))
    assert scene.reject().stands == (State.WAIT, "new", 2)
    scene.channels = (sms("x"), sms("b"))
    assert scene.reject().stands == (State.WAIT, "x", 3)


def test_rule_2_launch_a_removed_channel_starts_the_walk_at_the_top_without_used_ones() -> None:
    scene = Scene(sms("a"), sms("b")).reject()
    scene.channels = (sms("a"), sms("c"))
    assert scene.reject().stands == (State.WAIT, "c", 3)


def test_rule_2_launch_never_goes_back_up_the_cascade() -> None:
    scene = Scene(sms("a"), sms("b")).reject()
    scene.channels = (sms("new"), sms("a"), sms("b"))
    assert scene.reject().state is State.EXHAUSTED


@pytest.mark.parametrize("gone", [False, True], ids=["blocked", "gone"])
def test_rule_2_launch_a_widget_blocked_meanwhile_launches_nothing_more(gone: bool) -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).at(1).accept().at(40)
    scene.channels = ()
    if gone:
        scene.widget = None
    assert scene.resend() == "NoAvailableChannelsException"
    assert scene.stands == (State.SENT, "a", 1)
    assert scene.check() == "InvalidCodeException"
    assert scene.check(scene.code()) is True


def test_rule_2_launch_a_widget_blocked_meanwhile_has_no_automatic_move_either() -> None:
    scene = Scene(sms("a"), sms("b"))
    scene.channels = ()
    assert scene.reject().state is State.EXHAUSTED


def test_rule_2_launch_drops_the_job_of_any_launch_that_leaves_wait() -> None:
    scene = Scene(push("a", lifetime=600), sms("b")).accept().at(31)
    assert scene.resend() is True
    scene.report("confirmed", 1)
    assert scene.state is State.CONFIRMED
    assert scene.jobs == (DropJob(session="session", launch=2),)


def test_rule_2_launch_that_came_and_went_within_one_step_never_gets_a_job() -> None:
    scene = Scene(sms("a"), sms("b"), sms("c")).at(10).reject(2)
    assert scene.stands == (State.WAIT, "c", 3)
    assert [(type(j), j.launch) for j in scene.jobs if isinstance(j, PushJob | DropJob)] == [
        (DropJob, 1),
        (PushJob, 3),
    ]


def test_rule_2_launch_chooses_its_template_by_the_session() -> None:
    only = channel(templates=(Template(locale="ru", text="ru"), Template(locale="en", text="en")))
    assert Scene(only, locale="en-GB").launch.text == "en"


# --- rule 3: late bad news


def test_rule_3_late_bad_news_moves_on_by_itself() -> None:
    scene = Scene(sms("a", restarts=1), sms("b")).at(1).accept().at(20).report("undelivered")
    assert scene.stands == (State.WAIT, "b", 2)
    assert scene.session.launches[0].reason is Reason.UNDELIVERED
    assert len(scene.jobs) == 1


def test_rule_3_late_bad_news_moves_on_also_after_good_news() -> None:
    scene = Scene(sms("a"), sms("b")).accept().report("delivered").report("undelivered")
    assert scene.stands == (State.WAIT, "b", 2)


def unchanged_by_bad_news(scene: Scene, launch: int) -> None:
    before = scene.session
    scene.report("undelivered", launch)
    entry = scene.session.timeline[-1]
    assert (entry.input, entry.launch) == ("undelivered", launch)
    assert replace(scene.session, timeline=(), version=0) == replace(before, timeline=(), version=0)
    assert scene.session.view_version == before.view_version


def test_rule_3_late_bad_news_of_an_earlier_launch_is_recorded() -> None:
    scene = Scene(sms("a"), sms("b")).accept().at(31)
    assert scene.resend() is True
    unchanged_by_bad_news(scene.accept(), 1)


def test_rule_3_late_bad_news_after_confirmation_is_recorded() -> None:
    scene = Scene(sms("a"), sms("b")).accept()
    assert scene.check(scene.code()) is True
    unchanged_by_bad_news(scene, 1)


def test_rule_3_late_bad_news_of_an_ended_launch_is_recorded() -> None:
    unchanged_by_bad_news(Scene(sms("a"), sms("b")).accept().at(300).tick(), 1)


def test_rule_3_late_bad_news_of_a_failed_launch_is_recorded() -> None:
    unchanged_by_bad_news(Scene(sms("a"), sms("b")).at(10).tick(), 1)


@pytest.mark.parametrize("number", [-1, 0, 2, 99])
@pytest.mark.parametrize("kind", ["delivered", "undelivered", "confirmed", "declined"])
def test_rule_3_late_bad_news_of_an_unknown_launch_is_recorded(kind: str, number: int) -> None:
    scene = Scene(push("a"), sms("b")).accept()
    scene.report(kind, number)
    assert scene.stands == (State.SENT, "a", 1)
    assert scene.step.note == "no such message"


def test_rule_3_late_bad_news_twice_moves_once() -> None:
    scene = Scene(sms("a"), sms("b"), sms("c")).accept()
    scene.report("undelivered", 1).report("undelivered", 1)
    assert scene.stands == (State.WAIT, "b", 2)


def test_rule_3_late_bad_news_of_a_launch_we_fell_back_to_is_not_taken_twice() -> None:
    scene = Scene(sms("a"), sms("b")).accept().report("undelivered", 1).at(3).reject()
    assert scene.stands == (State.SENT, "a", 1)
    scene.report("undelivered", 1)
    assert scene.stands == (State.SENT, "a", 1)


def test_rule_3_late_bad_news_before_sent_is_parked_and_applied_then() -> None:
    scene = Scene(sms("a"), sms("b")).report("undelivered")
    assert scene.stands == (State.WAIT, "a", 1)
    assert scene.accept().stands == (State.WAIT, "b", 2)
    assert scene.session.launches[0].sent_at == NOON


def test_rule_3_late_bad_news_parked_twice_counts_once() -> None:
    scene = Scene(sms("a"), sms("b")).report("undelivered").report("undelivered")
    assert scene.step.note == "again"
    assert scene.accept().stands == (State.WAIT, "b", 2)


REPORTS = {
    "delivered": State.SENT,
    "undelivered": State.WAIT,
    "declined": State.ENDED,
    "confirmed": State.CONFIRMED,
    "delivered undelivered": State.WAIT,
    "delivered declined": State.ENDED,
    "delivered confirmed": State.CONFIRMED,
    "undelivered confirmed": State.CONFIRMED,
    "declined confirmed": State.CONFIRMED,
    "delivered undelivered confirmed": State.CONFIRMED,
    "delivered declined confirmed": State.CONFIRMED,
    "delivered delivered declined": State.ENDED,
    "undelivered undelivered delivered": State.WAIT,
    "confirmed confirmed declined": State.CONFIRMED,
    # A message that never arrived cannot have been declined: of these two the first to be
    # applied wins, and the decline when both are parked.
}
"""Reports on one codeless launch, and where the session stands after all of them."""


@pytest.mark.parametrize("answer", ["accept", "unsure"])
@pytest.mark.parametrize("reports", REPORTS)
def test_rule_3_late_bad_news_and_good_lead_to_one_end_in_every_order(
    reports: str, answer: str
) -> None:
    kinds = reports.split()
    ends = set()
    for order in permutations([answer, *kinds]):
        scene = Scene(push("a", restarts=1), push("b"))
        for act in order:
            scene.after(0.1)
            if act == answer:
                getattr(scene, answer)(1)
            else:
                scene.report(act, 1)
        ends.add((scene.state, scene.launch.channel, "a" in scene.session.barred))
    assert {state for state, _, _ in ends} == {REPORTS[reports]}
    assert len({current for _, current, _ in ends}) == 1 or REPORTS[reports] is State.CONFIRMED


@pytest.mark.parametrize("reports", REPORTS)
def test_rule_3_late_bad_news_parked_in_every_order_gives_equal_sessions(reports: str) -> None:
    ends = []
    for order in permutations(reports.split()):
        scene = Scene(push("a", restarts=1), push("b"))
        for kind in order:
            scene.report(kind, 1)
        ends.append(replace(scene.accept().session, timeline=(), version=0, view_version=0))
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("answer", ["accept", "unsure"])
def test_rule_3_late_bad_news_does_not_outdo_a_confirmation_when_nothing_is_left(
    answer: str,
) -> None:
    for order in permutations([answer, "undelivered", "confirmed", "delivered"]):
        scene = Scene(push("a"))
        for act in order:
            scene.after(0.1)
            if act == answer:
                getattr(scene, answer)(1)
            else:
                scene.report(act, 1)
        assert scene.state is State.CONFIRMED, order
        assert scene.complete() is True


def test_rule_3_late_bad_news_an_exhausted_session_takes_no_other_verdict() -> None:
    scene = Scene(push("a", lifetime=100)).accept().report("undelivered")
    for kind in ("delivered", "declined", "undelivered"):
        assert scene.report(kind).state is State.EXHAUSTED
    assert scene.report("confirmed", 2).state is State.EXHAUSTED
    assert scene.at(100).report("confirmed").state is State.EXHAUSTED
    code = Scene(sms("a")).accept().report("undelivered").report("confirmed")
    assert code.state is State.EXHAUSTED


def test_rule_3_late_bad_news_parked_with_a_decline_ends_the_launch() -> None:
    for order in permutations(["undelivered", "declined"]):
        scene = Scene(push("a", restarts=1), push("b"))
        for kind in order:
            scene.report(kind, 1)
        scene.accept()
        assert scene.stands == (State.ENDED, "a", 1)
        assert scene.session.barred == ("a",)


def test_rule_3_late_bad_news_a_code_launch_has_no_verdict_from_the_provider() -> None:
    scene = Scene(sms("a"), sms("b")).accept().report("confirmed").report("declined")
    assert scene.stands == (State.SENT, "a", 1)
    assert scene.session.barred == ()


def test_rule_3_late_bad_news_delivered_twice_is_late() -> None:
    scene = Scene(sms()).accept().report("delivered")
    assert scene.launch.delivered
    assert scene.step.note == ""
    assert scene.report("delivered").step.note == "late"


def test_rule_3_late_bad_news_shows_what_a_resend_would_do_now() -> None:
    scene = Scene(sms("a"), channel("b", restarts=0)).accept().report("undelivered")
    assert scene.page.next is None
    scene = Scene(sms("a"), sms("b"), sms("c")).accept().report("undelivered")
    assert scene.page.next == NextMove(action="channel", type=ChannelType.SMS, label="C")


def test_rule_1_start_ends_on_a_recipient_of_another_country() -> None:
    kazakh = Recipient(number="+77010000000", country="KZ", number_type=NumberType.MOBILE)
    assert Scene(channel("kz", rules=Rules(countries=("KZ",))), to=kazakh).launch.channel == "kz"


def test_rule_2_launch_starts_as_its_type_says() -> None:
    assert Scene(push()).launch.code_type is CodeType.CODELESS
    assert Scene(sms()).launch.code_type is CodeType.CODE
