"""How a session moves: starting a channel, giving one up, falling back to an earlier one."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from kaskad.core import cascade as walk
from kaskad.core import codes
from kaskad.core.cascade import Cascade, Context
from kaskad.core.codes import Keyring
from kaskad.core.model import (
    Channel,
    Code,
    CodeType,
    Entry,
    Launch,
    LaunchSettings,
    LaunchState,
    Reason,
    Session,
    State,
    lasting,
)
from kaskad.core.view import LONGEST_CODE_LIFE, channel_rest, code_deadline, launch_deadline

WORTHWHILE_REST = timedelta(seconds=60)
"""A code with less time than this is not worth sending again: the launch takes a new one."""


def note(session: Session, now: datetime, name: str, launch: int | None, why: str) -> Session:
    """Add a line to the timeline."""
    entry = Entry(at=now, input=name, launch=launch, reason=why)
    return replace(session, timeline=(*session.timeline, entry))


def with_launch(session: Session, launch: Launch) -> Session:
    """The session with this launch in the place of the one of its number."""
    return replace(session, launches=_launches_with(session, launch))


def _launches_with(session: Session, launch: Launch) -> tuple[Launch, ...]:
    at = launch.number - 1
    return (*session.launches[:at], launch, *session.launches[at + 1 :])


def look_ahead(session: Session, now: datetime, cascade: Cascade) -> Session:
    """Remember what a resend would do, as the cascade stands at this move."""
    return replace(
        session,
        next=walk.next_move(session, cascade, now),
        another=walk.another_way(session, cascade, now),
    )


def launch_channel(
    session: Session, channel: Channel, passed: str, now: datetime, context: Context, *, asked: bool
) -> Session:
    """Start a channel: a new current launch in wait."""
    widget = context.cascade.widget
    default = widget.locale if widget else session.locale
    template = walk.choose_template(channel.templates, session.locale, default)
    code_type = CodeType.CODE if session.test else channel.type.code_type
    settings, number, code = _settings(session, channel), len(session.launches) + 1, None
    if code_type is CodeType.CODE:
        code = _code_for(session, settings, now, context.keyring)
    launch = Launch(
        number=number,
        channel=channel.id,
        type=channel.type,
        label=channel.label,
        provider=channel.provider,
        settings=settings,
        text=template.text if template else "",
        started_at=now,
        code_type=code_type,
        first_code_type=code_type,
        code=code.number if code else None,
        asked=asked,
    )
    why = f"{channel.id}; passed over {passed}" if passed else channel.id
    session = replace(
        session,
        launches=(*session.launches, launch),
        current=number,
        codes=_with_code(session.codes, code),
        timeline=(*session.timeline, Entry(at=now, input="launch", launch=number, reason=why)),
    )
    return look_ahead(session, now, context.cascade)


def _settings(session: Session, channel: Channel) -> LaunchSettings:
    settings = channel.settings
    if session.test:
        settings = replace(settings, code_length=session.codes[0].length, beautify=False)
    return capped(settings)


def capped(settings: LaunchSettings) -> LaunchSettings:
    """The settings with no more tries than codes of this form deserve."""
    tries = codes.allowed_tries(
        settings.number_of_tries, settings.code_length, beautify=settings.beautify
    )
    if tries == settings.number_of_tries:
        return settings
    return replace(settings, number_of_tries=tries)


def _code_for(session: Session, settings: LaunchSettings, now: datetime, keyring: Keyring) -> Code:
    """The session's code of this form, or a new one if that is too old."""
    for code in reversed(session.codes):
        if _fits(session, code, settings):
            if _has_time(session, code, settings, now, keyring):
                return code
            break
    return _new_code(session, settings, keyring)


def _with_code(known: tuple[Code, ...], code: Code | None) -> tuple[Code, ...]:
    return known if code is None or code.number <= len(known) else (*known, code)


def _fits(session: Session, code: Code, settings: LaunchSettings) -> bool:
    if session.test:
        return True
    same_form = (code.length, code.beautify) == (settings.code_length, settings.beautify)
    return same_form and code.digest is None


def _new_code(session: Session, settings: LaunchSettings, keyring: Keyring) -> Code:
    number = len(session.codes) + 1
    if session.test:
        return replace(session.codes[0], number=number, first_sent_at=None)
    return Code(
        number=number,
        key_id=keyring.current,
        length=settings.code_length,
        beautify=settings.beautify,
    )


def _has_time(
    session: Session, code: Code, settings: LaunchSettings, now: datetime, keyring: Keyring
) -> bool:
    if keyring.key(code.key_id) is None:
        return False
    if code.first_sent_at is None:
        return True
    enough = min(WORTHWHILE_REST, lasting(settings.lifetime_s))
    rest = code.first_sent_at + LONGEST_CODE_LIFE - now
    return now < code_deadline(session, code.number) and rest >= enough


def turn(
    session: Session, launch: Launch, code_type: CodeType, now: datetime, keyring: Keyring
) -> Session:
    """Change a launch between code and codeless."""
    launch = replace(launch, code_type=code_type, code=None)
    if code_type is CodeType.CODELESS:
        return with_launch(session, launch)
    code = _code_for(with_launch(session, launch), launch.settings, now, keyring)
    launch = replace(launch, code=code.number)
    session = with_launch(replace(session, codes=_with_code(session.codes, code)), launch)
    return session if launch.sent_at is None else left(session, session.launch, now)


def left(session: Session, launch: Launch, at: datetime) -> Session:
    """As of ``at`` a message of the launch may be with the person."""
    if launch.sent_at is None:
        launch = replace(launch, sent_at=at)
    codes_now = session.codes
    code = None if launch.code is None else codes_now[launch.code - 1]
    if code is not None and code.first_sent_at is None:
        code = replace(code, first_sent_at=at)
        codes_now = (*codes_now[: code.number - 1], code, *codes_now[code.number :])
    return replace(session, launches=_launches_with(session, launch), codes=codes_now)


def is_live(session: Session, launch: Launch, now: datetime) -> bool:
    """Whether this launch can still confirm the session."""
    if launch.sent_at is None or now >= launch_deadline(session, launch):
        return False
    if launch.code_type is CodeType.CODELESS:
        return launch.reason is not Reason.DECLINED
    return channel_rest(session, launch) > 0


def live_with_code(session: Session, now: datetime) -> tuple[Launch, ...]:
    """The launches whose codes are accepted at this moment."""
    return tuple([x for x in session.launches if x.code is not None and is_live(session, x, now)])


def fail(session: Session, reason: Reason, now: datetime, context: Context) -> Session:
    """Give the current launch up: the next channel, a restart on request, an earlier one."""
    failed = replace(session.launch, state=LaunchState.FAILED, reason=reason)
    session = with_launch(session, failed)
    channel, passed = walk.next_channel(session, context.cascade, now)
    if channel is not None:
        return launch_channel(session, channel, passed, now, context, asked=False)
    if reason is not Reason.REJECTED and walk.restartable(session, context.cascade, now):
        session = with_launch(session, replace(failed, state=LaunchState.ENDED))
        return look_ahead(session, now, context.cascade)
    return _fall_back(session, failed, now, context.cascade)


def _fall_back(session: Session, failed: Launch, now: datetime, cascade: Cascade) -> Session:
    """Nothing is left to start: an earlier launch that can still confirm, or the end."""
    earlier = session.launches[: failed.number - 1]
    hopeful = (x for x in reversed(earlier) if x.code is not None or x.reason is None)
    live = next((x for x in hopeful if is_live(session, x, now)), None)
    if live is None:
        return replace(session, over=State.EXHAUSTED, next=None, another=None)
    session = with_launch(session, replace(live, state=LaunchState.SENT))
    session = note(session, now, "fall_back", live.number, live.channel)
    return look_ahead(replace(session, current=live.number), now, cascade)
