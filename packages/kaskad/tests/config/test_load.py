"""What a good configuration becomes."""

import ipaddress
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kaskad.app import tokens
from kaskad.config import (
    Declared,
    DeclaredToken,
    declared_tenant,
    load_config,
    load_declared,
    load_server,
    mistyped,
    provider_place,
)
from kaskad.config.server import ServerSettings
from kaskad.core.model import (
    Channel,
    ChannelType,
    Hours,
    LaunchSettings,
    NumberType,
    Rules,
    Template,
    TestRecipient,
    Widget,
    WidgetLimits,
)
from packages.kaskad.tests.config.files import (
    ENVIRON,
    GOOD,
    KEY,
    NOW,
    TOKEN,
    WIDGET,
    load,
    spoiled,
    write,
)


def with_server(*lines: str) -> str:
    return spoiled("port = 8480", "\n".join(lines))


# --- where settings come from ------------------------------------------------------


def test_a_flag_wins_over_the_environment_that_over_the_file_that_over_the_default(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, with_server("port = 1", 'host = "file.example"', "demo = true"))
    environ = ENVIRON | {"KASKAD_PORT": "2", "KASKAD_HOST": "env.example"}
    settings, _ = load(path, environ, port=3, host=None)
    assert (settings.port, settings.host, settings.demo) == (3, "env.example", True)
    assert settings.session_lifetime == 900


def test_the_defaults(tmp_path: Path) -> None:
    settings, _ = load(write(tmp_path))
    assert settings.model_dump(exclude={"secret_key", "database_url"}) == {
        "host": "127.0.0.1",
        "port": 8480,
        "sessions_url": "",
        "old_secret_keys": (),
        "public_url": "",
        "trusted_proxies": (),
        "demo": False,
        "session_lifetime": 900,
        "default_region": "RU",
        "long_poll_timeout": 25,
        "request_timeout": 10,
        "max_connections": 0,
        "log_level": "info",
        "log_format": "auto",
    }
    assert settings.database_url == f"sqlite:///{tmp_path}/var/kaskad.db"


def test_every_key_can_be_a_variable(tmp_path: Path) -> None:
    values = {
        "host": "::1",
        "port": "0",
        "database_url": "sqlite:////srv/a.db",
        "sessions_url": "sqlite:////srv/b.db",
        "secret_key": KEY,
        "old_secret_keys": "11" * 32 + ", " + "22" * 32,
        "public_url": "https://otp.example.com/",
        "trusted_proxies": "10.0.0.0/8 ::1",
        "demo": "True",
        "session_lifetime": "60",
        "default_region": "KZ",
        "long_poll_timeout": "5",
        "request_timeout": "7",
        "max_connections": "500",
        "log_level": "debug",
        "log_format": "console",
    }
    assert values.keys() == ServerSettings.model_fields.keys()
    environ = {f"KASKAD_{key.upper()}": value for key, value in values.items()}
    settings = load_server(write(tmp_path), environ=environ)
    assert settings.keys == (bytes.fromhex(KEY), b"\x11" * 32, b"\x22" * 32)
    assert settings.model_dump(exclude={"secret_key", "old_secret_keys"}) == {
        "host": "::1",
        "port": 0,
        "database_url": "sqlite:////srv/a.db",
        "sessions_url": "sqlite:////srv/b.db",
        "public_url": "https://otp.example.com",
        "trusted_proxies": (
            ipaddress.ip_network("10.0.0.0/8"),
            ipaddress.ip_network("::1"),
        ),
        "demo": True,
        "session_lifetime": 60,
        "default_region": "KZ",
        "long_poll_timeout": 5,
        "request_timeout": 7,
        "max_connections": 500,
        "log_level": "debug",
        "log_format": "console",
    }


def test_a_variable_can_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\r\n")
    (tmp_path / "port").write_text("7\n")
    environ = {
        "KASKAD_SECRET_KEY_FILE": str(tmp_path / "key"),
        "KASKAD_PORT_FILE": str(tmp_path / "port"),
    }
    settings = load_server(write(tmp_path), environ=environ)
    assert (settings.keys, settings.port) == ((bytes.fromhex(KEY),), 7)


def test_an_empty_variable_is_unset(tmp_path: Path) -> None:
    settings = load_server(write(tmp_path), environ=ENVIRON | {"KASKAD_PORT": ""})
    assert settings.port == 8480


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KASKAD_LOGLEVEL", "KASKAD_LOG_LEVEL"),
        ("KASKAD_SECRET_KEYS", "KASKAD_SECRET_KEY"),
        ("KASKAD_SECRETKEY_FILE", "KASKAD_SECRET_KEY_FILE"),
        ("KASKAD_PUBLIC_URI", "KASKAD_PUBLIC_URL"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_told(name: str, meant: str) -> None:
    assert mistyped({name: "hush"}) == [f"{name}: not a setting; did you mean {meant}?"]


def test_other_variables_are_left_alone() -> None:
    settings = [f"KASKAD_{key.upper()}" for key in ServerSettings.model_fields]
    others = ["KASKAD_TOKEN", "KASKAD_URL", "KASKAD_SMS_PASSWORD", "LOG_LEVELS", "kaskad_port"]
    assert mistyped(dict.fromkeys([*settings, *(f"{s}_FILE" for s in settings), *others], "")) == []


def test_relative_paths_start_at_the_files_folder_or_else_where_we_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, here = tmp_path / "etc", tmp_path / "here"
    folder.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    (folder / "key").write_text(KEY)
    path = write(
        folder,
        with_server('secret_key = "file:key"', 'sessions_url = "sqlite:///s.db"'),
    )
    settings = load_server(path, environ={"KASKAD_DATABASE_URL": "sqlite:///d.db"})
    assert settings.sessions_url == f"sqlite:///{folder}/s.db"
    assert settings.database_url == f"sqlite:///{here}/d.db"
    flagged = load_server(path, {"database_url": "sqlite:///f.db"}, environ={})
    assert flagged.database_url == f"sqlite:///{here}/f.db"
    alone = load_server(None, environ=ENVIRON)
    assert alone.database_url == f"sqlite:///{here}/var/kaskad.db"


def test_without_a_path_the_file_beside_us_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings, declared = load_config(None, now=NOW, environ=ENVIRON)
    assert (settings.port, declared) == (8480, Declared())
    write(tmp_path, with_server("port = 9"))
    settings, declared = load_config(None, now=NOW, environ=ENVIRON)
    assert (settings.port, declared.origin) == (9, "kaskad.toml")


def test_the_environment_of_the_process_is_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    path = write(tmp_path)
    assert load_config(path, now=NOW) == load(path)
    assert load_server(path) == load(path)[0]
    assert load_declared(path, now=NOW) == load(path)[1]


def test_serving_reads_nothing_but_its_own_table(tmp_path: Path) -> None:
    path = write(tmp_path, spoiled('"env:DEMO_TOKEN"', "3"))
    assert load_server(path, environ=ENVIRON).port == 8480
    assert declared_tenant(path) == "default"


@pytest.mark.parametrize(
    "key",
    [
        "0F" * 32,
        "Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8=",
        "Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8",
        " Dw8PDw8PDw8PDw8PDw8PDw8P\\nDw8PDw8PDw8PDw8PDw8=",
    ],
)
def test_a_key_is_hex_or_base64(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, with_server(f'secret_key = "{key}"'))
    settings = load_server(path, environ={})
    assert settings.keys == (b"\x0f" * 32,)


def test_a_urlsafe_key_is_base64_too(tmp_path: Path) -> None:
    standard = write(tmp_path, with_server(f'secret_key = "{"+/" * 22}"'))
    first = load_server(standard, environ={}).keys
    urlsafe = write(tmp_path, with_server(f'secret_key = "{"-_" * 22}"'))
    assert load_server(urlsafe, environ={}).keys == first


def test_settings_do_not_show_keys(tmp_path: Path) -> None:
    path = write(tmp_path, with_server(f'old_secret_keys = ["{KEY}"]'))
    settings, _ = load(path)
    assert KEY not in repr(settings)
    assert repr(bytes.fromhex(KEY)) not in repr(settings)


# --- what is declared --------------------------------------------------------------


def test_the_declared_values(tmp_path: Path) -> None:
    path = write(tmp_path)
    _, declared = load(path)
    (provider,) = declared.providers
    assert (declared.tenant, declared.origin) == ("default", str(path))
    assert (provider.id, provider.tenant, provider.driver) == ("handset", "default", "simulator")
    assert provider.settings == {"outcome": "deliver"}
    assert declared.channels == (
        Channel(
            id="sms",
            type=ChannelType.SMS,
            label="SMS",
            provider="handset",
            settings=LaunchSettings(),
            rules=Rules(
                countries=("RU",),
                hours=Hours(start=time(8), end=time(22), zone=ZoneInfo("UTC")),
            ),
            templates=(Template(locale="ru", text="{{ code }}"),),
        ),
        Channel(id="voice", type=ChannelType.VOICE, label="Call", provider="handset"),
    )
    until = datetime(2027, 2, 1, tzinfo=UTC)
    assert declared.widgets == (
        Widget(
            id=WIDGET,
            tenant="default",
            name="Demo",
            channels=("sms", "voice"),
            allowed_origins=("https://example.com",),
            limits=WidgetLimits(),
            test_recipients=(TestRecipient(number="+79990000001", code="123456", until=until),),
        ),
    )
    assert declared.tokens == (
        DeclaredToken(name="demo", hash=tokens.hash_token(TOKEN), widgets=(WIDGET,)),
    )


def test_every_setting_of_a_channel_arrives(tmp_path: Path) -> None:
    text = spoiled(
        'label = "SMS"',
        'label = "SMS"\nenabled = false\nlifetime = 60\nnumber_of_tries = 4\n'
        "number_of_restart = 0\nrestart_cooldown = 7\nsend_timeout = 8",
        spoiled("length = 6", "length = 4, beautify = true, weak = true"),
    )
    text = spoiled(
        'rules = { countries = ["RU"], hours = { from = "08:00", to = "22:00" } }',
        'rules = { number_types = ["voip"], locales = ["pt-BR"],'
        ' hours = { from = 22:30:00, to = "24:00", zone = "Europe/Moscow" } }',
        text,
    )
    channel = load(write(tmp_path, text))[1].channels[0]
    assert not channel.enabled
    assert channel.settings == LaunchSettings(
        code_length=4,
        beautify=True,
        lifetime_s=60,
        number_of_tries=4,
        number_of_restart=0,
        restart_cooldown_s=7,
        send_timeout_s=8,
    )
    assert channel.rules == Rules(
        number_types=(NumberType.VOIP,),
        locales=("pt-BR",),
        hours=Hours(start=time(22, 30), end=time(), zone=ZoneInfo("Europe/Moscow")),
    )


def test_a_readable_set_that_is_large_enough_needs_no_word(tmp_path: Path) -> None:
    text = spoiled("length = 6", "length = 8, beautify = true")
    assert load(write(tmp_path, text))[1].channels[0].settings.beautify


def test_every_setting_of_a_widget_arrives(tmp_path: Path) -> None:
    text = spoiled(
        'name = "Demo"',
        'name = "Demo"\nactive = false\nblocked = true\nregion = "KZ"\nlocale = "kk"\n'
        'domain = "Example.COM"',
        spoiled("per_recipient_per_minute = 3", "per_ip_per_minute = 0"),
    )
    widget = load(write(tmp_path, text))[1].widgets[0]
    assert (widget.active, widget.blocked, widget.region) == (False, True, "KZ")
    assert (widget.locale, widget.domain) == ("kk", "example.com")
    assert widget.limits == WidgetLimits(per_ip_per_minute=0)


def test_a_widget_without_a_region_has_the_servers(tmp_path: Path) -> None:
    path = write(tmp_path, with_server('default_region = "KZ"'))
    assert load(path)[1].widgets[0].region == "KZ"


@pytest.mark.parametrize(
    "given, kept",
    [
        ("https://Example.com:443", "https://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("http://127.0.0.1:8480", "http://127.0.0.1:8480"),
        ("http://[::1]:8480", "http://[::1]:8480"),
        ("https://example.com:8443", "https://example.com:8443"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(tmp_path: Path, given: str, kept: str) -> None:
    path = write(tmp_path, spoiled("https://example.com", given))
    assert load(path)[1].widgets[0].allowed_origins == (kept,)


@pytest.mark.parametrize(
    "given, kept",
    [
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
        ('"2027-01-31"', datetime(2027, 2, 1, tzinfo=UTC)),
        ("2027-01-31T12:00:00", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+03:00", datetime(2027, 1, 31, 9, tzinfo=UTC)),
        ('"2027-01-31T12:00:00Z"', datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2020-01-01", datetime(2020, 1, 2, tzinfo=UTC)),
        ("2027-06-01", datetime(2027, 6, 2, tzinfo=UTC)),
    ],
)
def test_a_day_lasts_to_its_end_and_a_time_without_a_zone_is_utc(
    tmp_path: Path, given: str, kept: datetime
) -> None:
    path = write(tmp_path, spoiled("until = 2027-01-31", f"until = {given}"))
    assert load(path)[1].widgets[0].test_recipients[0].until == kept


def test_a_drivers_settings_may_refer_to_secrets_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    text = spoiled(
        'outcome = "deliver"',
        'key = "env:DEMO_TOKEN"\ndeep = { list = ["file:password", 1, 2.5, true] }',
    )
    path = write(tmp_path, text)
    _, declared = load(path)
    assert declared.providers[0].settings == {
        "key": TOKEN,
        "deep": {"list": ["hunter2", 1, 2.5, True]},
    }
    assert provider_place(declared, 0) == f'{path}: providers[0] (id "handset")'
    assert TOKEN not in repr(declared)


def test_a_token_may_be_of_ours_and_may_expire(tmp_path: Path) -> None:
    made = tokens.make(bytes(range(20)))
    text = spoiled('"env:DEMO_TOKEN"', f'"{made}"\nexpires = 2027-01-01')
    token = load(write(tmp_path, spoiled(f'widgets = ["{WIDGET}"]', "", text)))[1].tokens[0]
    assert token == DeclaredToken(
        name="demo", hash=tokens.hash_token(made), expires_at=datetime(2027, 1, 2, tzinfo=UTC)
    )


def test_an_upper_case_widget_id_is_the_same_id(tmp_path: Path) -> None:
    text = GOOD.replace(f'id = "{WIDGET}"', f'id = "{WIDGET.upper()}"')
    assert load(write(tmp_path, text))[1].widgets[0].id == WIDGET
