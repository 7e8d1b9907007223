"""What the machine draws: channels, limits, people, and stretches of time."""

from datetime import timedelta

from hypothesis import strategies as st

from kaskad.core.model import (
    Channel,
    ChannelType,
    LaunchSettings,
    NumberType,
    Recipient,
    ReportKind,
    Template,
    WidgetLimits,
)


def build_channel(
    kind: ChannelType,
    length: int,
    beautify: bool,
    lifetime: int,
    tries: int,
    restarts: int,
    cooldown: int,
    send_timeout: int,
) -> Channel:
    return Channel(
        id="",
        type=kind,
        label=kind,
        provider="p",
        settings=LaunchSettings(
            code_length=length,
            beautify=beautify,
            lifetime_s=lifetime,
            number_of_tries=tries,
            number_of_restart=restarts,
            restart_cooldown_s=cooldown,
            send_timeout_s=send_timeout,
        ),
        templates=(Template(locale="ru", text="{{ code }}"),),
    )


CHANNELS = st.builds(
    build_channel,
    kind=st.sampled_from(
        [ChannelType.SMS, ChannelType.SIM_PUSH, ChannelType.FLASHCALL, ChannelType.VOICE]
    ),
    length=st.sampled_from([6, 6, 8, 5]),
    beautify=st.sampled_from([False, False, False, True]),
    lifetime=st.sampled_from([300, 700, 60, 20]),
    tries=st.sampled_from([3, 1, 2, 9]),
    restarts=st.integers(0, 2),
    cooldown=st.sampled_from([30, 1, 90]),
    send_timeout=st.sampled_from([10, 1, 40]),
)
LIMITS = st.sampled_from(
    [
        WidgetLimits(),
        WidgetLimits(per_recipient_per_minute=9, per_recipient_per_hour=20),
        WidgetLimits(per_recipient_per_minute=1, code_attempts_per_session=9),
        WidgetLimits(
            per_recipient_per_minute=9,
            per_recipient_per_hour=4,
            failed_checks_per_recipient_per_day=3,
            code_attempts_per_session=2,
        ),
    ]
)
WIDGETS = ("widget-0", "widget-1")
PEOPLE = tuple(
    Recipient(number=f"+7900000000{n}", country="RU", number_type=NumberType.MOBILE)
    for n in range(2)
)
ADDRESSES = (None, "10.0.0.1")
WHICH = st.sampled_from([0, 1, 2, 0, 1, 2, 0, 7])
PLACE = st.integers(0, 3)
MESSAGE = st.integers(0, 6)
CURRENT_OR_ANY = st.sampled_from([None, None, None, None, None, 1, 2, 3, 0, 99])
JUMPS = st.sampled_from([1.0, 31.0, 30.0, 5.0, 0.001, 31.0, 10.0, 61.0, 31.0, 120.0, 300.0])
NEAREST = st.sampled_from([0, 1, 0, 2, 0, 1, 3, 5])
EDGES = st.sampled_from([0.0, -0.001, 0.001])
KINDS = st.sampled_from(ReportKind)
PLANS = st.sampled_from(
    [
        ("accept",),
        (),
        ("accept",),
        ("report", "accept"),
        ("unsure",),
        ("report", "report", "unsure"),
    ]
)
AGES = timedelta(seconds=600)
OPEN_AT_ONCE, AT_MOST = 3, 12
LONG = 2000.0
UNLIKELY_TWICE = 8
"""Codes this long are not the same by chance in two sessions."""
