"""Which channels suit whom, and which text they carry."""

from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from kaskad.core.cascade import choose_template, unsuitable
from kaskad.core.model import (
    ChannelType,
    CodeType,
    Hours,
    NumberType,
    Recipient,
    Rules,
    State,
    Template,
)
from packages.kaskad.tests.core.scene import NOON, RUSSIAN, Scene, channel, sms

TEXTLESS = {ChannelType.FLASHCALL, ChannelType.TELEGRAMCODE, ChannelType.SIM_PUSH}


def why(
    rules: Rules, *, to: Recipient = RUSSIAN, locale: str = "ru", now: datetime = NOON
) -> str | None:
    return unsuitable(channel(rules=rules), to, locale, now)


@pytest.mark.parametrize("kind", ChannelType)
def test_a_type_that_needs_a_text_needs_a_template(kind: ChannelType) -> None:
    bare = channel(kind=kind, templates=())
    expected = None if kind in TEXTLESS else "no template"
    assert unsuitable(bare, RUSSIAN, "ru", NOON) == expected
    assert kind.needs_text is (kind not in TEXTLESS)


@pytest.mark.parametrize("kind", ChannelType)
def test_a_type_starts_as_code_but_for_the_push(kind: ChannelType) -> None:
    codeless = kind is ChannelType.SIM_PUSH
    assert kind.code_type is (CodeType.CODELESS if codeless else CodeType.CODE)


def test_rules_that_say_nothing_admit_everybody() -> None:
    nobody = Recipient(number="+80012345678", country="", number_type=NumberType.UNKNOWN)
    assert why(Rules(), to=nobody, locale="") is None


@pytest.mark.parametrize(
    ("countries", "reason"), [(("RU",), None), (("KZ", "RU"), None), (("KZ",), "country")]
)
def test_rules_by_country(countries: tuple[str, ...], reason: str | None) -> None:
    assert why(Rules(countries=countries)) == reason


@pytest.mark.parametrize(
    ("wanted", "is_of", "suits"),
    [
        (NumberType.MOBILE, NumberType.MOBILE, True),
        (NumberType.MOBILE, NumberType.FIXED_LINE, False),
        (NumberType.MOBILE, NumberType.FIXED_LINE_OR_MOBILE, True),
        (NumberType.FIXED_LINE, NumberType.FIXED_LINE_OR_MOBILE, True),
        (NumberType.FIXED_LINE_OR_MOBILE, NumberType.FIXED_LINE_OR_MOBILE, True),
        (NumberType.VOIP, NumberType.FIXED_LINE_OR_MOBILE, False),
        (NumberType.FIXED_LINE_OR_MOBILE, NumberType.MOBILE, False),
        (NumberType.MOBILE, NumberType.UNKNOWN, False),
    ],
)
def test_rules_by_kind_of_number(wanted: NumberType, is_of: NumberType, suits: bool) -> None:
    reason = why(Rules(number_types=(wanted,)), to=replace(RUSSIAN, number_type=is_of))
    assert reason == (None if suits else "number type")


@pytest.mark.parametrize(
    ("locales", "locale", "suits"),
    [
        (("ru",), "ru", True),
        (("ru",), "ru-RU", True),
        (("ru",), "RU_ru", True),
        (("RU",), "ru", True),
        (("en", "ru"), "ru", True),
        (("ru-RU",), "ru-ru", True),
        (("ru-RU",), "ru", False),
        (("en",), "ru", False),
        (("en",), "", False),
    ],
)
def test_rules_by_locale(locales: tuple[str, ...], locale: str, suits: bool) -> None:
    assert why(Rules(locales=locales), locale=locale) == (None if suits else "locale")


MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.mark.parametrize(
    ("start", "end", "zone", "at", "suits"),
    [
        (time(9), time(21), UTC, "09:00:00", True),
        (time(9), time(21), UTC, "08:59:59", False),
        (time(9), time(21), UTC, "20:59:59", True),
        (time(9), time(21), UTC, "21:00:00", False),
        (time(9), time(21), MOSCOW, "06:00:00", True),
        (time(9), time(21), MOSCOW, "05:59:59", False),
        (time(9), time(21), MOSCOW, "17:59:59", True),
        (time(9), time(21), MOSCOW, "18:00:00", False),
        (time(22), time(6), UTC, "22:00:00", True),
        (time(22), time(6), UTC, "21:59:59", False),
        (time(22), time(6), UTC, "23:59:59", True),
        (time(22), time(6), UTC, "00:00:00", True),
        (time(22), time(6), UTC, "05:59:59", True),
        (time(22), time(6), UTC, "06:00:00", False),
        (time(22), time(6), UTC, "12:00:00", False),
        (time(22), time(6), timezone(timedelta(hours=10)), "13:00:00", True),
    ],
)
def test_rules_by_hours_also_over_midnight(
    start: time, end: time, zone: tzinfo, at: str, suits: bool
) -> None:
    now = datetime.combine(NOON.date(), time.fromisoformat(at), UTC)
    reason = why(Rules(hours=Hours(start=start, end=end, zone=zone)), now=now)
    assert reason == (None if suits else "hours")


def test_rules_count_for_every_move() -> None:
    by_day = channel(
        "b", rules=Rules(hours=Hours(start=time(9), end=time(12, 1), zone=UTC)), restarts=0
    )
    assert Scene(sms("a"), by_day).reject().launch.channel == "b"
    scene = Scene(sms("a"), by_day).accept().at(60)
    assert scene.resend() == "NoAvailableChannelsException"


def test_what_was_passed_over_by_a_resend_is_noted() -> None:
    scene = Scene(sms("a"), channel("off", enabled=False)).accept().at(40)
    assert scene.resend() == "NoAvailableChannelsException"
    assert scene.step.note == "off: disabled"
    scene.channels = (*scene.channels, sms("c"))
    assert scene.resend() is True
    assert scene.state is State.WAIT
    assert ("launch", 2, "c; passed over off: disabled") in scene.timeline()


def chosen(locales: str, locale: str, default: str = "ru") -> str | None:
    templates = tuple(Template(locale=x, text=x) for x in locales.split())
    found = choose_template(templates, locale, default)
    return None if found is None else found.text


@pytest.mark.parametrize(
    ("locales", "locale", "default", "expected"),
    [
        ("ru en en-GB", "en-GB", "ru", "en-GB"),
        ("ru EN-gb en", "en-GB", "ru", "EN-gb"),
        ("ru en", "en-GB", "ru", "en"),
        ("ru en-US", "en-GB", "ru", "en-US"),
        ("ru en_US", "en", "ru", "en_US"),
        ("en ru", "kk", "ru", "ru"),
        ("en ru-RU", "kk", "ru", "ru-RU"),
        ("en-US en-GB", "kk", "en-GB", "en-GB"),
        ("ru en-US en-GB", "kk", "en-GB", "en-GB"),
        ("en fr", "kk", "ru", "en"),
        ("", "ru", "ru", None),
    ],
)
def test_a_template_is_chosen_by_locale_language_default_first(
    locales: str, locale: str, default: str, expected: str | None
) -> None:
    assert chosen(locales, locale, default) == expected


def test_a_launch_takes_the_default_of_its_widget() -> None:
    two = channel(templates=(Template(locale="en", text="en"), Template(locale="ru", text="ru")))
    assert Scene(two, locale="kk").launch.text == "ru"


def test_a_launch_without_its_widget_falls_back_to_the_locale_of_the_session() -> None:
    two = channel("b", templates=(Template(locale="en", text="en"),), restarts=0)
    scene = Scene(sms("a"), two)
    scene.widget = None
    assert scene.reject().launch.text == "en"
