"""What strangers send to a page's endpoints."""

import json
from collections.abc import Mapping

JSON = {"content-type": "application/json"}
UNKNOWN = "11111111-2222-4333-8444-555555555555"
Stranger = tuple[str, str, Mapping[str, str], bytes]


def a_send(widget: str, **fields: object) -> bytes:
    return json.dumps({"widgetId": widget, "recipient": "+79001239999", **fields}).encode()


def strangers(widget: str) -> dict[str, Stranger]:
    """Requests by what is odd about them: method, path, headers and body."""
    return {
        "a send": ("POST", "", JSON, a_send(widget)),
        "a send with a slash": ("POST", "/", {}, a_send(widget, locale="en")),
        "no UUID": ("POST", "", JSON, a_send(widget, widgetId="x")),
        "no number": ("POST", "", JSON, a_send(widget, recipient="x")),
        "numbers for texts": (
            "POST",
            "",
            JSON,
            a_send(widget, widgetId=1, recipient=1.5, captchaToken=2),
        ),
        "null for texts": ("POST", "", JSON, a_send(widget, widgetId=None, recipient=None)),
        "lists for texts": (
            "POST",
            "",
            JSON,
            a_send(widget, recipient=[[]], widgetId={}, locale=[]),
        ),
        "no locale": ("POST", "", JSON, a_send(widget, locale="?")),
        "a long token": ("POST", "", JSON, a_send(widget, captchaToken="x" * 8193)),
        "nothing of a send": ("POST", "", JSON, b"{}"),
        "half a surrogate": ("POST", "", JSON, b'{"widgetId": "\\ud800", "recipient": "x"}'),
        "no JSON": ("POST", "", JSON, b"{"),
        "no body": ("POST", "", {}, b""),
        "not UTF-8": ("POST", "", JSON, b'{"widgetId": "\xff"}'),
        "a mark before": ("POST", "", JSON, b"\xef\xbb\xbf{}"),
        "not a number": ("POST", "", JSON, b'{"widgetId": NaN}'),
        "a list": ("POST", "", JSON, b"[]"),
        "deep": ("POST", "", JSON, b"[" * 100),
        "1 MB": ("POST", "", JSON, b"x" * 1_000_000),
        "1 MB of a code": ("POST", f"/{UNKNOWN}/checkCode", JSON, b"x" * 1_000_000),
        "20 KB where none is read": ("GET", f"/{UNKNOWN}/channel", {}, b"x" * 20_000),
        "text": ("POST", "", {"content-type": "text/plain"}, a_send(widget)),
        "no type of content": ("POST", "", {"content-type": ""}, a_send(widget)),
        "a code as text": ("POST", f"/{UNKNOWN}/checkCode", {"content-type": "text/plain"}, b"{}"),
        "a code that is none": ("POST", f"/{UNKNOWN}/checkCode", JSON, b'{"code": 5}'),
        "a code of nobody": ("POST", f"/{UNKNOWN}/checkCode", JSON, b'{"code": "1"}'),
        "a resend of nobody": ("POST", f"/{UNKNOWN}/resend", JSON, b'{"next": 1}'),
        "a bad key": ("POST", "", JSON | {"idempotency-key": "x" * 256}, a_send(widget)),
        "an empty key": ("POST", "", JSON | {"idempotency-key": ""}, a_send(widget)),
        "a widget": ("GET", f"/widget/{widget}", {}, b""),
        "a widget in capitals": ("GET", f"/widget/{widget.upper()}", {}, b""),
        "a challenge": ("GET", f"/widget/{widget}/challenge", {}, b""),
        "a challenge of nobody": ("GET", f"/widget/{UNKNOWN}/challenge", {}, b""),
        "a challenge of no id": ("GET", "/widget/x/challenge", {}, b""),
        "POST for a challenge": ("POST", f"/widget/{widget}/challenge", {}, b""),
        "an unknown widget": ("GET", f"/widget/{UNKNOWN}", {}, b""),
        "an unknown session": ("GET", f"/{UNKNOWN}/channel", {}, b""),
        "a widget called channel": ("GET", "/widget/channel", {}, b""),
        "a session called longPolling": ("GET", "/longPolling/channel", {}, b""),
        "no id": ("GET", "/x/channel", {}, b""),
        "an empty id": ("GET", "//channel", {}, b""),
        "an id with dots": ("GET", "/%2e%2e/channel", {}, b""),
        "an id with a slash": ("GET", "/..%2f..%2fx/channel", {}, b""),
        "an id with a tail": ("GET", f"/{UNKNOWN};x/channel", {}, b""),
        "a status without a number": ("GET", f"/{UNKNOWN}/status", {}, b""),
        "no such path": ("GET", "/x", {}, b""),
        "two slashes": ("POST", "//", {}, b""),
        "a slash behind": ("GET", f"/{UNKNOWN}/channel/", {}, b""),
        "another case": ("GET", f"/{UNKNOWN}/Channel", {}, b""),
        "no UTF-8 in a path": ("GET", "/%ff/channel", {}, b""),
        "HEAD": ("HEAD", f"/{UNKNOWN}/channel", {}, b""),
        "OPTIONS": ("OPTIONS", "", {}, b""),
        "DELETE": ("DELETE", f"/widget/{widget}", {}, b""),
        "POST for GET": ("POST", f"/{UNKNOWN}/status", {}, b""),
        "English": ("GET", "/x", {"accept-language": "en"}, b""),
        "English from afar": (
            "GET",
            f"/{UNKNOWN}/channel",
            {"accept-language": "en, ru;q=0.5"},
            b"",
        ),
    }
