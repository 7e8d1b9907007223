"""A widget's captcha in the file: what arrives, and what is wrong in one line each."""

from pathlib import Path

import pytest

from kaskad.core.model import Captcha, CaptchaProvider
from packages.kaskad.tests.config.files import ENVIRON, WIDGET, load, problems, spoiled, write

PLACE = f'kaskad.toml: widgets[0] (id "{WIDGET}"): captcha.'
FORM = "kaskad.toml: widgets[0].captcha"
KEYS = 'site_key = "a", secret_key = "b"'
OF_EVERYBODY = "fail_open, first_free_requests_per_ip"


def with_captcha(table: str) -> str:
    return spoiled('name = "Demo"', f'name = "Demo"\ncaptcha = {{ {table} }}')


def captcha(folder: Path, table: str, **more: str) -> Captcha | None:
    path = write(folder, with_captcha(table))
    return load(path, {**ENVIRON, **more})[1].widgets[0].captcha


def test_every_setting_arrives(tmp_path: Path) -> None:
    (tmp_path / "captcha-key").write_text("from-a-file\n")
    found = captcha(
        tmp_path,
        'provider = "google", site_key = "env:SITE_KEY", secret_key = "file:captcha-key",'
        ' version = 3, min_score = 0.7, action = "send", hostnames = ["Example.com"],'
        ' verify_url = "https://www.recaptcha.net/recaptcha/api/siteverify",'
        " first_free_requests_per_ip = 3, fail_open = true",
        SITE_KEY="from-outside",
    )
    assert found == Captcha(
        provider=CaptchaProvider.GOOGLE,
        site_key="from-outside",
        secret_key="from-a-file",
        version=3,
        min_score=0.7,
        action="send",
        hostnames=("example.com",),
        verify_url="https://www.recaptcha.net/recaptcha/api/siteverify",
        first_free_requests_per_ip=3,
        fail_open=True,
    )
    found = captcha(tmp_path, 'provider = "altcha", max_number = 1000, lifetime = 60')
    assert found == Captcha(provider=CaptchaProvider.ALTCHA, max_number=1000, lifetime_s=60)
    assert captcha(tmp_path, 'provider = "altcha"') == Captcha(provider=CaptchaProvider.ALTCHA)
    for vendor in ("yandex", "cloudflare"):
        found = captcha(tmp_path, f'provider = "{vendor}", {KEYS}')
        assert found is not None
        assert (found.provider, found.site_key, found.secret_key) == (vendor, "a", "b")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('provider = "captcha.example"', f"{FORM}.provider: expected one of google, yandex,"),
        (KEYS, f"{FORM}.provider: missing; expected one of google,"),
        ('provider = "google", key = "a"', f"{FORM}.key: unknown key; known: action,"),
        (f'provider = "google", {KEYS}, version = 4', f"{FORM}.version: expected a version of"),
        (
            f'provider = "google", {KEYS}, version = 3, min_score = 2',
            f"{FORM}.min_score: expected a",
        ),
        (
            f'provider = "google", {KEYS}, version = 3, min_score = true',
            f"{FORM}.min_score: expected",
        ),
        (
            f'provider = "google", {KEYS}, verify_url = "x"',
            f"{FORM}.verify_url: expected an address",
        ),
        (
            f'provider = "google", {KEYS}, hostnames = ["a b"]',
            f"{FORM}.hostnames[0]: expected a host",
        ),
        (
            'provider = "altcha", max_number = 9',
            f"{FORM}.max_number: expected a number of tries from",
        ),
        (
            'provider = "altcha", lifetime = 9',
            f"{FORM}.lifetime: expected a whole number of seconds",
        ),
        ('provider = "altcha", fail_open = 1', f"{FORM}.fail_open: expected true or false"),
        (
            'provider = "yandex", site_key = "a", secret_key = "env:NONE"',
            f"{FORM}.secret_key: the environment variable NONE is not set",
        ),
        (
            'provider = "google"',
            f"{PLACE}site_key: missing; expected the one that google gave you",
        ),
        (
            'provider = "yandex", site_key = "a"',
            f"{PLACE}secret_key: missing; expected the one that yandex gave you",
        ),
        (
            f'provider = "yandex", {KEYS}, action = "send"',
            (
                f"{PLACE}action: not a key of yandex; known: fail_open, first_free_requests_per_ip,"
                " hostnames, provider, secret_key, site_key, verify_url"
            ),
        ),
        (
            'provider = "altcha", site_key = "a"',
            (
                f"{PLACE}site_key: not a key of altcha; known: {OF_EVERYBODY}, lifetime,"
                " max_number, provider, secret_key"
            ),
        ),
        (
            'provider = "altcha", secret_key = "short"',
            f"{PLACE}secret_key: expected at least 16 bytes; leave it out and one is derived",
        ),
        (
            f'provider = "google", {KEYS}, min_score = 0.4',
            f"{PLACE}min_score: reCAPTCHA has it since version 3; add version = 3",
        ),
        (
            f'provider = "google", {KEYS}, action = "send"',
            f"{PLACE}action: reCAPTCHA has it since version 3; add version = 3",
        ),
    ],
)
def test_a_mistake_is_a_line(tmp_path: Path, table: str, expected: str) -> None:
    found = problems(write(tmp_path, with_captcha(table)))
    assert any(line.startswith(expected) for line in found), found
    assert len(found) == (2 if table == 'provider = "google"' else 1)


def test_a_captcha_is_a_table(tmp_path: Path) -> None:
    path = write(tmp_path, spoiled('name = "Demo"', 'name = "Demo"\ncaptcha = "altcha"'))
    [line] = problems(path)
    assert line.startswith(f"{FORM}: expected a table")


@pytest.mark.parametrize("secret", ["s3cret with space", "s3cret\\u0007", "s3cret" * 100])
def test_no_line_repeats_a_secret(tmp_path: Path, secret: str) -> None:
    table = f'provider = "google", site_key = "a", secret_key = "{secret}"'
    [line] = problems(write(tmp_path, with_captcha(table)))
    assert line == f"{FORM}.secret_key: expected a key of 1 to 512 characters without spaces"
