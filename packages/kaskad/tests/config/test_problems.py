"""Whatever is wrong with a file is one line: file, key, expected form."""

from pathlib import Path

import pytest

from kaskad.config import ConfigError, load_declared, load_server
from packages.kaskad.tests.config.files import (
    ENVIRON,
    GOOD,
    KEY,
    NOW,
    TOKEN,
    WIDGET,
    load,
    problems,
    spoiled,
    write,
)

ID_FORM = "expected an id of 1 to 64 letters, digits, dots, dashes and underscores"
KEY_COMMAND = "python3 -c 'import secrets; print(secrets.token_hex(32))'"
ROOT_KEYS = "channels, providers, server, tenant, tokens, widgets"

SMS = 'channels[0] (id "sms")'
VOICE = 'channels[1] (id "voice")'
SHOP = f'widgets[0] (id "{WIDGET}")'
DEMO = 'tokens[0] (name "demo")'

FORMS = [
    # unknown keys
    ("tenant =", "tenent =", 'tenent: unknown key; did you mean "tenant"?'),
    ("tenant =", "zzzzz =", f"zzzzz: unknown key; known: {ROOT_KEYS}"),
    ("port = 8480", "prot = 8480", 'server.prot: unknown key; did you mean "port"?'),
    (
        'label = "SMS"',
        'label = "SMS"\nlifetim = 3',
        'channels[0].lifetim: unknown key; did you mean "lifetime"?',
    ),
    (
        "length = 6",
        "length = 6, beautiful = true",
        'channels[0].code.beautiful: unknown key; did you mean "beautify"?',
    ),
    (
        'countries = ["RU"]',
        'captcha = ["RU"]',
        "channels[0].rules.captcha: unknown key; known: countries, hours, locales, number_types",
    ),
    (
        'to = "22:00"',
        'to = "22:00", tz = "UTC"',
        "channels[0].rules.hours.tz: unknown key; known: from, to, zone",
    ),
    (
        "per_recipient_per_minute = 3",
        "per_recipient_per_minuet = 3",
        (
            "widgets[0].limits.per_recipient_per_minuet: unknown key;"
            ' did you mean "per_recipient_per_minute"?'
        ),
    ),
    (
        'name = "Demo"',
        'name = "Demo"\nquiz = "yes"',
        (
            "widgets[0].quiz: unknown key; known: active, allowed_origins, blocked, captcha,"
            " channels, domain, id, limits, locale, name, region, test_recipients"
        ),
    ),
    # missing keys
    ('id = "sms"', "", f"channels[0].id: missing; {ID_FORM}"),
    (
        'label = "SMS"',
        "",
        "channels[0].label: missing; expected a text of 1 to 200 characters in one line",
    ),
    (
        'from = "08:00", ',
        "",
        'channels[0].rules.hours.from: missing; expected a time of day like "08:00"',
    ),
    ('driver = "simulator"', "", f"providers[0].driver: missing; {ID_FORM}"),
    (
        'token = "env:DEMO_TOKEN"',
        "",
        "tokens[0].token: missing; expected 20 to 512 characters without spaces",
    ),
    # ill-typed and out of range
    (
        "port = 8480",
        'port = "8480"',
        'server.port: expected a port number from 0 to 65535, got "8480"',
    ),
    (
        "port = 8480",
        "port = 70000",
        "server.port: expected a port number from 0 to 65535, got 70000",
    ),
    (
        "port = 8480",
        "session_lifetime = 1.5",
        "server.session_lifetime: expected a whole number of seconds, 1 or more, got 1.5",
    ),
    (
        "port = 8480",
        "session_lifetime = true",
        "server.session_lifetime: expected a whole number of seconds, 1 or more, got true",
    ),
    ("port = 8480", "demo = 1", "server.demo: expected true or false, got 1"),
    (
        "port = 8480",
        'host = "a b"',
        'server.host: expected a host name or an IP address, got "a b"',
    ),
    ("port = 8480", 'host = ":1"', 'server.host: expected a host name or an IP address, got ":1"'),
    (
        "port = 8480",
        'default_region = "XX"',
        'server.default_region: expected a known region of two capital letters like "RU", got "XX"',
    ),
    (
        "port = 8480",
        'default_region = "Russia"',
        (
            "server.default_region: expected a known region of two capital letters"
            ' like "RU", got "Russia"'
        ),
    ),
    (
        "port = 8480",
        'log_level = "loud"',
        'server.log_level: expected one of debug, info, warning, error, got "loud"',
    ),
    (
        "port = 8480",
        'database_url = "postgresql://db/kaskad"',
        'server.database_url: expected sqlite:///PATH, got "postgresql://db/kaskad"',
    ),
    (
        "port = 8480",
        "database_url = 3",
        "server.database_url: expected sqlite:///PATH, got 3",
    ),
    (
        "port = 8480",
        'sessions_url = "redis://cache"',
        (
            "server.sessions_url: expected nothing (beside the database) or sqlite:///PATH,"
            ' got "redis://cache"'
        ),
    ),
    (
        "port = 8480",
        'public_url = "otp.example.com"',
        (
            "server.public_url: expected an address like"
            ' "https://otp.example.com", got "otp.example.com"'
        ),
    ),
    (
        "port = 8480",
        'trusted_proxies = "10.0.0.1"',
        (
            "server.trusted_proxies: expected an array; in it: an IP address or a network"
            ' like "10.0.0.0/8"'
        ),
    ),
    (
        "port = 8480",
        'trusted_proxies = ["10.0.0.1/8"]',
        (
            'server.trusted_proxies[0]: expected an IP address or a network like "10.0.0.0/8",'
            ' got "10.0.0.1/8"'
        ),
    ),
    (
        "length = 6",
        "length = 11",
        "channels[0].code.length: expected a number of digits from 4 to 10, got 11",
    ),
    (
        'type = "sms"',
        'type = "pigeon"',
        (
            "channels[0].type: expected one of sms, voice, flashcall, telegramcode, whatsapp,"
            " viber,"
            ' vk, sim_push, got "pigeon"'
        ),
    ),
    ('id = "sms"', "id = {}", f"channels[0].id: {ID_FORM}, got a table"),
    (
        '"https://example.com"',
        '"https://exa mple.com"',
        (
            "widgets[0].allowed_origins[0]: expected an origin like"
            ' "https://example.com", without a path, got "https://exa mple.com"'
        ),
    ),
    (
        "until = 2027-01-31",
        "until = true",
        (
            "widgets[0].test_recipients[0].until: expected a date like 2027-01-31 or a date and"
            " time like 2027-01-31T12:00:00Z, got true"
        ),
    ),
    ('id = "sms"', 'id = ""', f'channels[0].id: {ID_FORM}, got ""'),
    ('id = "sms"', 'id = "s m s"', f'channels[0].id: {ID_FORM}, got "s m s"'),
    ('tenant = "default"', "tenant = []", f"tenant: {ID_FORM}, got an array"),
    (
        'label = "SMS"',
        'label = "S\\nMS"',
        'channels[0].label: expected a text of 1 to 200 characters in one line, got "S?MS"',
    ),
    (
        'label = "SMS"',
        'label = "SMS"\nlifetime = 0',
        "channels[0].lifetime: expected a whole number of seconds, 1 or more, got 0",
    ),
    (
        'label = "SMS"',
        'label = "SMS"\nnumber_of_tries = 0',
        "channels[0].number_of_tries: expected a whole number, 1 or more, got 0",
    ),
    (
        'label = "SMS"',
        'label = "SMS"\nnumber_of_restart = -1',
        "channels[0].number_of_restart: expected a whole number, 0 or more, got -1",
    ),
    (
        "code = { length = 6 }",
        "code = 6",
        "channels[0].code: expected a table",
    ),
    (
        'countries = ["RU"]',
        'countries = ["ru"]',
        (
            "channels[0].rules.countries[0]: expected a known country of two capital letters"
            ' like "RU", got "ru"'
        ),
    ),
    (
        'countries = ["RU"]',
        'number_types = ["smart"]',
        (
            "channels[0].rules.number_types[0]: expected one of mobile, fixed_line,"
            " fixed_line_or_mobile, toll_free, premium_rate, shared_cost, voip, personal_number,"
            " pager,"
            ' uan, voicemail, unknown, got "smart"'
        ),
    ),
    (
        'countries = ["RU"]',
        'locales = ["russian!"]',
        'channels[0].rules.locales[0]: expected a locale like "ru" or "pt-BR", got "russian!"',
    ),
    (
        'to = "22:00"',
        'to = "25:00"',
        'channels[0].rules.hours.to: expected a time of day like "08:00", got "25:00"',
    ),
    (
        'to = "22:00"',
        'to = "22:00", zone = "Mars/Olympus"',
        (
            "channels[0].rules.hours.zone: expected a time zone like"
            ' "Europe/Moscow", got "Mars/Olympus"'
        ),
    ),
    (
        'to = "22:00"',
        'to = "22:00", zone = "Europe"',
        'channels[0].rules.hours.zone: expected a time zone like "Europe/Moscow", got "Europe"',
    ),
    (
        'text = "{{ code }}"',
        'text = " "',
        'channels[0].templates[0].text: expected a text that is not empty, got " "',
    ),
    (
        'templates = [ { locale = "ru", text = "{{ code }}" } ]',
        'templates = "x"',
        "channels[0].templates: expected an array of tables",
    ),
    (
        f'id = "{WIDGET}"',
        'id = "demo"',
        'widgets[0].id: expected a UUID like "123634df-ddfe-4dda-b31d-f3b4e75fc5dc", got "demo"',
    ),
    (
        'name = "Demo"',
        'name = "Demo"\ndomain = "https://example.com"',
        (
            'widgets[0].domain: expected a domain like "example.com", without https://,'
            ' got "https://example.com"'
        ),
    ),
    (
        '"https://example.com"',
        '"https://example.com/path"',
        (
            "widgets[0].allowed_origins[0]: expected an origin like"
            ' "https://example.com", without a path, got "https://example.com/path"'
        ),
    ),
    (
        '"https://example.com"',
        '"https://example.com:99999"',
        (
            "widgets[0].allowed_origins[0]: expected an origin like"
            ' "https://example.com", without a path, got "https://example.com:99999"'
        ),
    ),
    (
        '"https://example.com"',
        '""',
        (
            "widgets[0].allowed_origins[0]: expected an origin like"
            ' "https://example.com", without a path, got ""'
        ),
    ),
    (
        '"https://example.com"',
        '"*"',
        (
            'widgets[0].allowed_origins[0]: "*" would let every site use the widget;'
            " expected its own origins"
        ),
    ),
    (
        'number = "+79990000001"',
        "number = 79990000001",
        (
            'widgets[0].test_recipients[0].number: expected a phone number like "+79990000001",'
            " got 79990000001"
        ),
    ),
    (
        'code = "123456"',
        "code = 123456",
        "widgets[0].test_recipients[0].code: expected 4 to 10 digits in quotes",
    ),
    (
        'code = "123456"',
        'code = "123"',
        "widgets[0].test_recipients[0].code: expected 4 to 10 digits in quotes",
    ),
    (
        "until = 2027-01-31",
        'until = "soon"',
        (
            "widgets[0].test_recipients[0].until: expected a date like 2027-01-31 or a date and"
            " time"
            ' like 2027-01-31T12:00:00Z, got "soon"'
        ),
    ),
    (
        "until = 2027-01-31",
        "until = 9999-12-31",
        (
            "widgets[0].test_recipients[0].until: expected a date like 2027-01-31 or a date and"
            " time"
            " like 2027-01-31T12:00:00Z, got 9999-12-31"
        ),
    ),
    (
        "per_recipient_per_minute = 3",
        "per_recipient_per_minute = -1",
        "widgets[0].limits.per_recipient_per_minute: expected a whole number, 0 or more, got -1",
    ),
    (
        "[[providers]]",
        "[providers]",
        "providers: expected an array of tables",
    ),
    (
        'outcome = "deliver"',
        "outcome = 2026-01-01",
        "providers[0].outcome: expected a text, a number, true, false, an array or a table",
    ),
    (
        'outcome = "deliver"',
        "delay = inf",
        "providers[0].delay: expected a text, a number, true, false, an array or a table",
    ),
    ("[server]\nport = 8480", "server = 3", "server: expected a table: [server]"),
]


@pytest.mark.parametrize("old, new, expected", FORMS)
def test_a_bad_form_is_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert problems(write(tmp_path, spoiled(old, new))) == [f"kaskad.toml: {expected}"]


CHECKS = [
    (
        'label = "Call"\nprovider = "handset"',
        'label = "Call"\nprovider = "x"',
        f'{VOICE}: provider: no provider is called "x"; known: handset',
    ),
    (
        'channels = ["sms", "voice"]',
        'channels = ["sms", "fax"]',
        f'{SHOP}: channels[1]: no channel is called "fax"; known: sms, voice',
    ),
    (
        'channels = ["sms", "voice"]',
        'channels = ["sms", "voice", "sms"]',
        f"{SHOP}: channels[2]: channels[0] is the same",
    ),
    (
        f'widgets = ["{WIDGET}"]',
        'widgets = ["00000000-0000-4000-8000-000000000000"]',
        (
            f"{DEMO}: widgets[0]: no widget is called"
            f' "00000000-0000-4000-8000-000000000000"; known: {WIDGET}'
        ),
    ),
    (
        f'widgets = ["{WIDGET}"]',
        "widgets = []",
        f"{DEMO}: widgets: expected at least one id; leave the key out to allow every widget",
    ),
    (
        '[[channels]]\nid = "voice"',
        (
            '[[channels]]\nid = "sms"\ntype = "vk"\nlabel = "VK"\nprovider = "handset"\n'
            '[[channels]]\nid = "voice"'
        ),
        'channels[1] (id "sms"): id: channels[0] has the same',
    ),
    (
        "code = { length = 6 }",
        "code = { length = 6, beautify = true }",
        (
            f"{SMS}: code: there are only 1900 readable codes of 6 digits; expected a length of 7"
            " or"
            " more, or weak = true to accept that"
        ),
    ),
    (
        'to = "22:00"',
        'to = "08:00"',
        f"{SMS}: rules.hours: from and to are the same, so no time of day is left",
    ),
    (
        '{ locale = "ru", text = "{{ code }}" }',
        '{ locale = "ru", text = "{{ code }}" }, { locale = "RU", text = "{{ code }}!" }',
        f"{SMS}: templates[1].locale: templates[0] has the same",
    ),
    (
        '{ locale = "ru", text = "{{ code }}" }',
        '{ locale = "ru", text = "Hello from {{ widget }}" }',
        f"{SMS}: templates[0].text: does not show the code; expected {{{{ code }}}} in it",
    ),
    (
        'number = "+79990000001"',
        'number = "+7999"',
        (
            f'{SHOP}: test_recipients[0].number: "+7999" is not a phone number of RU or an'
            ' international one; expected one like "+79990000001"'
        ),
    ),
    (
        "until = 2027-01-31 }",
        'until = 2027-01-31 }, { number = "8 999 000-00-01", code = "1234", until = 2027-01-31 }',
        f"{SHOP}: test_recipients[1].number: test_recipients[0] has the same",
    ),
    (
        "until = 2027-01-31",
        "until = 2027-06-02",
        f"{SHOP}: test_recipients[0].until: more than a year ahead; expected 2027-06-01 or earlier",
    ),
    (
        "[[tokens]]",
        '[[tokens]]\nname = "first"\ntoken = "env:DEMO_TOKEN"\n[[tokens]]',
        'tokens[1] (name "demo"): token: tokens[0] has the same',
    ),
    (
        "[[tokens]]",
        '[[tokens]]\nname = "demo"\ntoken = "another-one-of-enough-length"\n[[tokens]]',
        'tokens[1] (name "demo"): name: tokens[0] has the same',
    ),
]


@pytest.mark.parametrize("old, new, expected", CHECKS)
def test_what_does_not_fit_together_is_one_line(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert problems(write(tmp_path, spoiled(old, new))) == [f"kaskad.toml: {expected}"]


def test_a_template_that_does_not_parse_is_one_line(tmp_path: Path) -> None:
    (line,) = problems(write(tmp_path, spoiled("{{ code }}", "{{ cod }}")))
    assert line.startswith(f"kaskad.toml: {SMS}: templates[0].text: ")


def test_nothing_to_refer_to_is_said_too(tmp_path: Path) -> None:
    text = '[[channels]]\nid = "a"\ntype = "sim_push"\nlabel = "A"\nprovider = "x"\n'
    assert problems(write(tmp_path, text)) == [
        'kaskad.toml: channels[0] (id "a"): provider: no provider is called "x"; known: none'
    ]


SECRETS = [
    ('"env:DEMO_TOKEN"', '"too-short"', "expected 20 to 512 characters without spaces"),
    ('"env:DEMO_TOKEN"', '"a token with spaces in it"', "expected 20 to 512 characters without"),
    ('"env:DEMO_TOKEN"', "12345678901234567890", "expected 20 to 512 characters without spaces"),
    ('"env:DEMO_TOKEN"', f'"{"x" * 513}"', "expected 20 to 512 characters without spaces"),
    ('"env:DEMO_TOKEN"', f'"ksk_{"a" * 33}"', "begins with ksk_ but its checksum is wrong; was"),
    ('"env:DEMO_TOKEN"', '"env:NOBODY"', "the environment variable NOBODY is not set"),
    ('"env:DEMO_TOKEN"', '"file:nowhere"', "cannot read nowhere: No such file or directory"),
]


@pytest.mark.parametrize("old, new, expected", SECRETS)
def test_a_bad_token_is_one_line_that_does_not_show_it(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    (line,) = problems(write(tmp_path, spoiled(old, new)))
    assert line.startswith(f"kaskad.toml: tokens[0].token: {expected}")
    if not new.startswith(('"env', '"file')):
        assert new.strip('"') not in line


KEYS = [
    ("0f" * 31, "only 31 bytes long; expected at least 32 bytes"),
    ("0f" * 32 + "0", "neither hex nor base64; expected at least 32 bytes"),
    ("not a key at all!", "neither hex nor base64; expected at least 32 bytes"),
    ("YWJj", "only 3 bytes long; expected at least 32 bytes"),
]


@pytest.mark.parametrize("key, expected", KEYS)
def test_a_bad_key_is_one_line_with_the_command_that_makes_one(
    tmp_path: Path, key: str, expected: str
) -> None:
    path = write(tmp_path, spoiled("port = 8480", f'secret_key = "{key}"'))
    (line,) = problems(path, {"DEMO_TOKEN": TOKEN})
    assert line.startswith(f"kaskad.toml: server.secret_key: {expected}")
    assert line.endswith(KEY_COMMAND)
    assert key not in line


def test_a_missing_key_is_refused_unless_it_is_a_demo(tmp_path: Path) -> None:
    path = write(tmp_path)
    (line,) = problems(path, {"DEMO_TOKEN": TOKEN})
    assert line.startswith("kaskad.toml: server.secret_key: missing; expected at least 32 bytes")
    assert line.endswith(KEY_COMMAND)
    settings, _ = load(path, {"DEMO_TOKEN": TOKEN}, demo=True)
    with pytest.raises(ConfigError, match="secret_key: missing"):
        _ = settings.keys


def test_a_missing_key_without_a_file_names_the_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        load_server(None, environ={})
    (line,) = caught.value.problems
    assert line.startswith("KASKAD_SECRET_KEY: missing; expected at least 32 bytes")


@pytest.mark.parametrize("proxy", ["*", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "::ffff:0.0.0.0/95"])
def test_trusting_every_proxy_is_refused(tmp_path: Path, proxy: str) -> None:
    path = write(tmp_path, spoiled("port = 8480", f'trusted_proxies = ["{proxy}"]'))
    (line,) = problems(path)
    if proxy.endswith("/95"):
        assert line.startswith("kaskad.toml: server.trusted_proxies[0]: expected")
    else:
        assert line == (
            f'kaskad.toml: server.trusted_proxies[0]: "{proxy}" would trust everybody;'
            " expected the addresses of your own proxies"
        )


def test_a_reference_in_a_drivers_settings_that_leads_nowhere(tmp_path: Path) -> None:
    text = spoiled('outcome = "deliver"', 'deep = { list = [1, "env:NOBODY"] }')
    assert problems(write(tmp_path, text)) == [
        "kaskad.toml: providers[0].deep: the environment variable NOBODY is not set"
    ]


def test_problems_of_every_part_come_at_once(tmp_path: Path) -> None:
    text = spoiled("port = 8480", "port = 0.5", spoiled('label = "SMS"', "label = 3"))
    assert [line.split(": ")[1] for line in problems(write(tmp_path, text))] == [
        "server.port",
        "channels[0].label",
    ]


# --- the file itself -------------------------------------------------------------


def test_broken_toml_is_told_with_line_and_column(tmp_path: Path) -> None:
    (line,) = problems(write(tmp_path, "[server]\nport = \n"))
    assert line == "kaskad.toml: not valid TOML: Invalid value (at line 2, column 8)"


def test_a_key_that_stands_twice_is_told(tmp_path: Path) -> None:
    (line,) = problems(write(tmp_path, "[server]\nport = 1\nport = 2\n"))
    assert line.startswith("kaskad.toml: not valid TOML: Cannot overwrite a value (at line 3")


def test_toml_that_is_nested_without_end(tmp_path: Path) -> None:
    (line,) = problems(write(tmp_path, "a = " + "[" * 100_000))
    assert line == "kaskad.toml: not valid TOML: nested too deeply"


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "kaskad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert problems(path) == ["kaskad.toml: not text in UTF-8"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert problems(tmp_path / "kaskad.toml") == [
        "kaskad.toml: cannot read it: No such file or directory"
    ]
    (tmp_path / "folder").mkdir()
    assert problems(tmp_path / "folder") == ["folder: cannot read it: Is a directory"]


# --- the environment and the command line ------------------------------------------


@pytest.mark.parametrize(
    "environ, expected",
    [
        (
            {"KASKAD_PORT": "eighty"},
            'KASKAD_PORT: expected a port number from 0 to 65535, got "eighty"',
        ),
        ({"KASKAD_DEMO": "perhaps"}, 'KASKAD_DEMO: expected true or false, got "perhaps"'),
        (
            {"KASKAD_TRUSTED_PROXIES": "10.0.0.1,x"},
            (
                "KASKAD_TRUSTED_PROXIES[1]: expected an IP address or a network"
                ' like "10.0.0.0/8", got "x"'
            ),
        ),
        (
            {"KASKAD_HOST": "localhost", "KASKAD_HOST_FILE": "x"},
            "KASKAD_HOST_FILE: KASKAD_HOST is set as well; set one of the two",
        ),
    ],
)
def test_a_bad_variable_is_named(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    assert problems(write(tmp_path), ENVIRON | environ) == [expected]


def test_a_variables_file_that_cannot_be_read(tmp_path: Path) -> None:
    environ = {"DEMO_TOKEN": TOKEN, "KASKAD_SECRET_KEY_FILE": str(tmp_path / "key")}
    (line,) = problems(write(tmp_path), environ)
    assert line == "KASKAD_SECRET_KEY_FILE: cannot read key: No such file or directory"
    (tmp_path / "key").write_bytes(b"\xff")
    (line,) = problems(write(tmp_path), environ)
    assert line == "KASKAD_SECRET_KEY_FILE: key is not text in UTF-8"


def test_a_reference_with_an_impossible_path(tmp_path: Path) -> None:
    path = write(tmp_path, spoiled("env:DEMO_TOKEN", "file:a\\u0000b"))
    (line,) = problems(path)
    assert line.startswith("kaskad.toml: tokens[0].token: cannot read")


def test_a_bad_flag_is_named(tmp_path: Path) -> None:
    assert problems(write(tmp_path), long_poll_timeout=0) == [
        "--long-poll-timeout: expected a whole number of seconds, 1 or more, got 0"
    ]


def test_a_bad_old_key_is_named(tmp_path: Path) -> None:
    text = spoiled("port = 8480", f'old_secret_keys = ["{KEY}", "env:GONE"]')
    assert problems(write(tmp_path, text)) == [
        "kaskad.toml: server.old_secret_keys[1]: the environment variable GONE is not set"
    ]


def test_29_february_allows_until_28_february(tmp_path: Path) -> None:
    leap = NOW.replace(year=2028, month=2, day=29)
    path = write(tmp_path, spoiled("2027-01-31", "2029-03-01"))
    with pytest.raises(ConfigError, match="expected 2029-02-28 or earlier"):
        load_declared(path, now=leap, environ=ENVIRON)


def test_the_good_file_is_good(tmp_path: Path) -> None:
    assert problems(write(tmp_path, GOOD)) == []
