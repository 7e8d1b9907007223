"""The webhook helper against the package that its standard comes with."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from kaskad_sdk.webhooks import Webhook, WebhookVerificationError, new_secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1614265330, UTC)
BODY = b'{"test": 2432232314}'


def reference(secret: str, message_id: str, at: datetime, body: str) -> str:
    return standardwebhooks.Webhook(secret).sign(message_id, at, body)


@settings(max_examples=300)
@given(
    key=st.binary(min_size=24, max_size=64),
    message_id=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True),
    at=st.integers(0, 4_000_000_000),
    body=st.text(),
)
def test_it_signs_as_the_reference_does(key: bytes, message_id: str, at: int, body: str) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    when = datetime.fromtimestamp(at, UTC)
    try:
        raw = body.encode()
    except UnicodeEncodeError:
        return
    headers = Webhook(secret).sign(message_id, when, raw)
    assert headers["webhook-signature"] == reference(secret, message_id, when, body)
    assert headers["webhook-timestamp"] == str(at)


def test_the_reference_takes_what_we_sign_and_we_what_it_signs() -> None:
    now = datetime.now(UTC)
    headers = Webhook(SECRET).sign(ID, now, BODY)
    assert standardwebhooks.Webhook(SECRET).verify(BODY, headers) == {"test": 2432232314}
    headers["webhook-signature"] = reference(SECRET, ID, now, BODY.decode())
    message = Webhook(SECRET).verify(BODY, headers)
    assert (message.id, message.body, message.json()) == (ID, BODY, {"test": 2432232314})
    assert abs(message.timestamp - now) < timedelta(seconds=1)


def test_the_names_of_headers_may_be_in_any_case() -> None:
    headers = {k.title(): v for k, v in Webhook(SECRET).sign(ID, AT, BODY).items()}
    assert Webhook(SECRET).verify(BODY, headers, now=AT).timestamp == AT


def test_while_secrets_rotate_either_fits() -> None:
    both = Webhook(OTHER, SECRET).sign(ID, AT, BODY)
    assert both["webhook-signature"].count("v1,") == 2
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(BODY, both, now=AT).id == ID
        one = Webhook(secret).sign(ID, AT, BODY)
        assert Webhook(OTHER, SECRET).verify(BODY, one, now=AT).id == ID
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, both, now=AT)


@pytest.mark.parametrize("off", [-300, 300])
def test_a_time_at_the_edge_is_near_enough(off: int) -> None:
    headers = Webhook(SECRET).sign(ID, AT, BODY)
    assert Webhook(SECRET).verify(BODY, headers, now=AT + timedelta(seconds=off)).id == ID


@pytest.mark.parametrize("off", [-301, 301])
def test_a_time_beyond_it_is_not(off: int) -> None:
    headers = Webhook(SECRET).sign(ID, AT, BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers, now=AT + timedelta(seconds=off))


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": ""},
        {"webhook-id": "\ud800"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "1614265330.0"},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-timestamp": "9" * 40},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,\ud800é"},
        {"webhook-signature": " "},
    ],
    ids=repr,
)
def test_what_was_changed_is_refused(change: dict[str, str]) -> None:
    headers = Webhook(SECRET).sign(ID, AT, BODY) | change
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, headers, now=AT)


def test_other_versions_and_bodies_are_refused() -> None:
    webhook = Webhook(SECRET)
    headers = webhook.sign(ID, AT, BODY)
    with pytest.raises(WebhookVerificationError):
        webhook.verify(BODY + b" ", headers, now=AT)
    other = headers | {"webhook-signature": headers["webhook-signature"].replace("v1,", "v1a,")}
    with pytest.raises(WebhookVerificationError):
        webhook.verify(BODY, other, now=AT)
    more = headers | {"webhook-signature": "v1a,x v2,y " + headers["webhook-signature"]}
    assert webhook.verify(BODY, more, now=AT).id == ID


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_?" * 9, "whsec_é"])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        Webhook(secret)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="secret"):
        Webhook()
    with pytest.raises(ValueError, match="tolerance"):
        Webhook(SECRET, tolerance_s=0)
    with pytest.raises(ValueError, match="id"):
        Webhook(SECRET).sign("a.b", AT, BODY)
    with pytest.raises(ValueError, match="aware"):
        Webhook(SECRET).sign(ID, AT.replace(tzinfo=None), BODY)


def test_secrets_are_new_and_not_shown() -> None:
    assert new_secret() != new_secret()
    assert SECRET[6:] not in repr(Webhook(SECRET))


def test_what_is_of_another_type_is_named() -> None:
    """A variable that is not set, a list of secrets, a body that a framework has decoded."""
    wrong: Any
    for wrong in (None, [SECRET], SECRET.encode()):
        with pytest.raises(TypeError, match="a webhook secret is a str, not"):
            Webhook(wrong)
    wrong = BODY.decode()
    headers = Webhook(SECRET).sign("msg_1", datetime.now(UTC), BODY)
    with pytest.raises(TypeError, match="a webhook's body is bytes, not str"):
        Webhook(SECRET).verify(wrong, headers)
