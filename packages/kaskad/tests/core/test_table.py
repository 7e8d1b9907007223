"""The table of the machine: no hole, no state outside a rule, the same step every time."""

from collections.abc import Callable
from itertools import product
from typing import get_args

import pytest
from msgspec.structs import replace

from kaskad.core import inputs
from kaskad.core.effects import DropJob, PushJob
from kaskad.core.model import ChannelType, CodeType, ReportKind, Session, State
from kaskad.core.session import KEPT_ENTRIES, KEPT_REFUSALS, TABLE, advance, pending_job
from kaskad.core.view import view, wake_at
from packages.kaskad.tests.core.scene import WRONG, Scene, channel, push, sms

INPUTS: tuple[type[inputs.Input], ...] = get_args(inputs.Input)


def test_the_table_has_every_pair_and_no_other() -> None:
    assert set(TABLE) == set(INPUTS)
    for kind, rules in TABLE.items():
        assert set(rules) == set(State), kind


def test_a_rule_may_end_where_it_began() -> None:
    for rules in TABLE.values():
        for state, rule in rules.items():
            assert state in rule.to


def test_nothing_leaves_closed_and_only_completion_or_time_leaves_confirmed() -> None:
    for kind, rules in TABLE.items():
        assert rules[State.CLOSED].to == {State.CLOSED}
        leaves = kind in {inputs.Complete, inputs.CheckAndComplete, inputs.Tick}
        assert rules[State.CONFIRMED].to == {
            State.CONFIRMED,
            *({State.CLOSED} if leaves else ()),
        }


def test_what_is_over_only_closes_but_for_a_verdict_that_came_after_bad_news() -> None:
    for kind, rules in TABLE.items():
        assert rules[State.SPENT].to <= {State.SPENT, State.CLOSED}
        proven = {State.CONFIRMED} if kind is inputs.Reported else set()
        assert rules[State.EXHAUSTED].to <= {State.EXHAUSTED, State.CLOSED} | proven


# --- every pair is stepped through


def in_state(state: State, first: Callable[..., object], restarts: int) -> Scene:
    """A session in that state whose first channel is made by ``first``."""
    second = sms("second", tries=1)
    scene = Scene(first("first", restarts=restarts), second)  # type: ignore[arg-type]
    match state:
        case State.WAIT:
            pass
        case State.SENT:
            scene.accept()
        case State.ENDED:
            scene.accept().at(300).tick()
        case State.CONFIRMED:
            scene.accept(turned=CodeType.CODE).check(scene.code())
        case State.SPENT:
            scene.reject().accept().check()
        case State.EXHAUSTED:
            scene.reject().reject()
        case State.CLOSED:
            scene.cancel()
    assert scene.state is state
    return scene


def every(scene: Scene) -> list[inputs.Input]:
    """Inputs of every type: for known launches and unknown, right codes and wrong."""
    numbers = (0, 1, 2, 3)
    right = scene.code() if scene.launch.code is not None else WRONG
    return [
        *(
            inputs.Accepted(launch=n, code=code, code_type=turned)
            for n, code, turned in product(numbers, (None, "4821"), (None, *CodeType))
        ),
        *(kind(launch=n) for kind in (inputs.Rejected, inputs.Errored) for n in numbers),
        *(inputs.Unsure(launch=n) for n in numbers),
        *(inputs.Reported(launch=n, kind=k) for n, k in product(numbers, ReportKind)),
        *(inputs.Turned(launch=n, code_type=t) for n, t in product(numbers, CodeType)),
        inputs.CheckCode(code=right),
        inputs.CheckCode(code=WRONG),
        inputs.Resend(),
        inputs.Resend(next=True),
        inputs.Complete(),
        inputs.CheckAndComplete(),
        inputs.Cancel(),
        inputs.Tick(),
    ]


CASES = list(product(State, [sms, push], [0, 1]))


def test_the_inputs_tried_are_of_every_type() -> None:
    assert {type(event) for event in every(Scene(sms()))} == set(INPUTS)


@pytest.mark.parametrize(("state", "first", "restarts"), CASES)
def test_no_step_ends_outside_its_rule(
    state: State, first: Callable[..., object], restarts: int
) -> None:
    for event in every(in_state(state, first, restarts)):
        scene = in_state(state, first, restarts)
        scene.do(event)
        assert scene.state in TABLE[type(event)][state].to, event


@pytest.mark.parametrize(("state", "first", "restarts"), CASES)
def test_a_step_is_the_same_every_time(
    state: State, first: Callable[..., object], restarts: int
) -> None:
    for event in every(in_state(state, first, restarts)):
        one, other = (in_state(state, first, restarts) for _ in range(2))
        assert one.session == other.session
        answers = (one.do(event), other.do(event))
        assert answers[0] == answers[1]
        assert one.session == other.session
        assert one.step.effects == other.step.effects
        assert one.step.note == other.step.note


def told_apart(session: Session) -> tuple[int, CodeType]:
    """What a reader of the channel has to read again when it differs."""
    return session.current, session.launch.code_type


@pytest.mark.parametrize(("state", "first", "restarts"), CASES)
@pytest.mark.parametrize("later", [0, 15, 1000])
def test_versions_rise_with_changes_and_view_versions_with_what_is_seen(
    state: State, first: Callable[..., object], restarts: int, later: int
) -> None:
    for event in every(in_state(state, first, restarts)):
        scene = in_state(state, first, restarts).after(later)
        before = scene.session
        kept = replace(before)
        scene.do(event)
        after = scene.session
        assert before == kept
        assert after.version == before.version + (after is not before)
        versions = before.version, before.view_version, before.channel_version
        changed = replace(
            after, version=versions[0], view_version=versions[1], channel_version=versions[2]
        )
        assert (changed == before) is (after is before)
        another = told_apart(after) != told_apart(before)
        seen = another or view(after) != view(before)
        assert after.view_version == before.view_version + seen
        assert after.channel_version == (after.view_version if another else versions[2])


def to_hand_over(scene: Scene) -> set[int]:
    waits = scene.state is State.WAIT and not scene.launch.unsure
    return {scene.session.current} if waits else set()


@pytest.mark.parametrize(("state", "first", "restarts"), CASES)
@pytest.mark.parametrize("unsure", [False, True])
def test_a_job_is_there_exactly_while_a_launch_waits_to_be_handed_over(
    state: State, first: Callable[..., object], restarts: int, unsure: bool
) -> None:
    for event, later in product(every(in_state(state, first, restarts)), (0, 15)):
        scene = in_state(state, first, restarts)
        if unsure:
            scene.unsure()
        jobs = to_hand_over(scene)
        scene.after(later).do(event)
        for effect in scene.step.effects:
            match effect:
                case PushJob(launch=launch):
                    jobs.add(launch)
                case DropJob(launch=launch):
                    jobs.remove(launch)
                case _:
                    pass
        assert jobs == to_hand_over(scene)
        assert {job.launch for job in pending_job(scene.session)} == jobs


@pytest.mark.parametrize("state", State)
def test_a_deadline_is_always_ahead_until_the_session_closes(state: State) -> None:
    scene = in_state(state, sms, 0)
    due = wake_at(scene.session)
    if state is State.CLOSED:
        assert due is None
    else:
        assert due is not None
        assert due > scene.now


@pytest.mark.parametrize("state", State)
def test_an_unchanged_session_is_the_same_object(state: State) -> None:
    scene = in_state(state, sms, 0)
    before = scene.session
    assert scene.tick().session is before
    assert scene.step == (before, (), None, "")


def test_an_input_that_changed_nothing_is_kept_only_while_there_is_room() -> None:
    scene = Scene(sms())
    for _ in range(KEPT_REFUSALS + 5):
        scene.complete()
    assert len(scene.session.timeline) == KEPT_REFUSALS
    before = scene.session
    assert scene.complete() is False
    assert scene.session is before
    scene.accept()
    assert len(scene.session.timeline) == KEPT_REFUSALS + 1


def test_the_timeline_ends_at_its_bound_and_the_session_still_works() -> None:
    scene = Scene(push()).accept()
    for _ in range(KEPT_ENTRIES):
        scene.turn(CodeType.CODE).turn(CodeType.CODELESS)
    assert len(scene.session.timeline) == KEPT_ENTRIES
    scene.turn(CodeType.CODE)
    assert scene.check(scene.code()) is True
    assert scene.complete() is True


def test_the_timeline_names_each_input_with_its_reason() -> None:
    scene = Scene(sms("a"), push("b")).at(1).unsure().at(2).report("delivered").at(3)
    scene.check()
    scene.complete()
    scene.check_and_complete()
    assert scene.at(40).resend() is True
    scene.reject()
    scene.turn(CodeType.CODELESS).error(9).accept(9)
    scene.cancel()
    assert list(scene.timeline()) == [
        ("launch", 1, "a"),
        ("unsure", 1, "silence"),
        ("delivered", 1, ""),
        ("check_code", None, "InvalidCodeException"),
        ("complete", None, "false"),
        ("check_status_and_complete", None, "false"),
        ("resend", None, "true"),
        ("launch", 2, "b"),
        ("rejected", 2, "no"),
        ("fall_back", 1, "a"),
        ("turned", 1, ""),
        ("errored", 9, "late"),
        ("accepted", 9, "late"),
        ("cancel", None, "true"),
    ]
    instants = [entry.at for entry in scene.session.timeline]
    assert instants == sorted(instants)


def test_the_job_of_a_session_follows_from_it_alone() -> None:
    scene = Scene(sms("a"), sms("b"))
    assert pending_job(scene.session) == scene.jobs
    scene.at(3).reject()
    assert pending_job(scene.session) == scene.jobs[1:]
    assert pending_job(scene.accept().session) == ()


def test_the_timeline_tells_what_time_did() -> None:
    scene = Scene(sms("a"), sms("b")).at(10).tick().accept().at(310).tick().at(900).tick()
    assert [(name, number) for name, number, _ in scene.timeline()] == [
        ("launch", 1),
        ("send_timeout", 1),
        ("launch", 2),
        ("accepted", 2),
        ("expired", 2),
        ("lifetime", None),
    ]


def test_no_code_is_written_anywhere_in_the_record() -> None:
    scene = Scene(channel("f", ChannelType.FLASHCALL), sms("b")).accept(code="4821").at(31)
    scene.check("0000")
    assert scene.resend(another_way=True) is True
    scene.accept().check("999999")
    for secret in ("4821", "0000", "999999", scene.code(2)):
        assert secret not in repr(scene.session)
        assert secret not in repr(scene.step)
    assert "4821" not in repr(inputs.CheckCode(code="4821"))


def test_reports_and_other_bookkeeping_do_not_raise_the_view_version() -> None:
    scene = Scene(sms("a"), sms("b")).accept()
    shown = scene.session.view_version
    scene.report("delivered").report("confirmed").report("undelivered", 7).accept(1)
    scene.complete()
    scene.resend()
    assert scene.session.view_version == shown
    assert scene.session.version > shown


def test_a_change_of_channel_is_a_new_view_though_it_looks_the_same() -> None:
    twin = replace(sms("b"), label="A", type=sms("a").type)
    scene = Scene(sms("a", restarts=0), twin, twin).reject()
    scene.channels = (sms("a"), twin, replace(twin, id="c"))
    before = scene.session
    looks = scene.page
    scene.reject()
    assert scene.session.current == before.current + 1
    assert replace(scene.page, resend_at=None, next=None) == replace(
        looks, resend_at=None, next=None
    )
    assert scene.session.channel_version == scene.session.view_version
    assert scene.session.view_version == before.view_version + 1


def test_the_channel_version_stays_while_the_channel_does() -> None:
    scene = Scene(sms("a"), push("b"))
    assert scene.session.channel_version == 1
    scene.accept()
    assert (scene.session.view_version, scene.session.channel_version) == (2, 1)
    assert scene.check() == "InvalidCodeException"
    assert (scene.session.view_version, scene.session.channel_version) == (3, 1)
    scene.turn(CodeType.CODELESS)
    assert (scene.session.view_version, scene.session.channel_version) == (4, 4)
    scene.report("delivered")
    assert (scene.session.view_version, scene.session.channel_version) == (4, 4)


def test_deadlines_raise_the_view_version() -> None:
    scene = Scene(sms("a"), sms("b"))
    seen = [scene.session.view_version]
    for at in (10, 11, 400, 900):
        scene.at(at)
        if at == 11:
            scene.accept()
        seen.append(scene.tick().session.view_version)
    assert seen == [1, 2, 3, 4, 5]


def test_advance_looks_at_no_clock() -> None:
    scene = Scene(sms("a"), sms("b"))
    early = advance(scene.session, inputs.Tick(), scene.now, scene.context)
    assert early.session is scene.session
