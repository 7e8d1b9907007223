"""Pages of customers, as they would write them, under the strictest policy the widget allows."""

from html import escape

from tests.browser.stage import widget_id

NONCE = "b3Blbi1zZXNhbWU"
POLICY = (
    f"default-src 'self'; script-src 'self' 'nonce-{NONCE}'; "
    "base-uri 'none'; object-src 'none'; form-action 'self'"
)
# As the manual has it for pages with a captcha of somebody else, whose scripts load others.
POLICY_WITH_VENDORS = (
    f"default-src 'self'; script-src 'nonce-{NONCE}' 'strict-dynamic'; "
    "frame-src https://www.google.com https://smartcaptcha.yandexcloud.net "
    "https://challenges.cloudflare.com; base-uri 'none'; object-src 'none'; form-action 'self'"
)
# One that lets no script in but those of the page's own host.
POLICY_WITHOUT_NONCE = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'"

LOAD_ELEMENT = f'<script type="module" nonce="{NONCE}" src="/kaskad-otp.js"></script>'
LOAD_DROP_IN = '<script src="/otp-widget.umd.js"></script>'


def document(
    body: str, *, head: str = "", lang: str = "en", direction: str = "ltr", title: str = "A shop"
) -> str:
    """A whole page around a body."""
    return (
        f'<!doctype html><html lang="{lang}" dir="{direction}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title>{head}</head>"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )


def element(widget: str, **attributes: str | bool) -> str:
    """The element's tag; an attribute's dash is written as an underscore."""
    given = {"widget_id": widget_id(widget), **attributes}
    written = [
        name.replace("_", "-") + ("" if value is True else f'="{escape(str(value))}"')
        for name, value in given.items()
        if value is not False
    ]
    return f"<kaskad-otp {' '.join(written)}></kaskad-otp>"


def with_element(widget: str, *, lang: str = "en", direction: str = "ltr", **more: str) -> str:
    """A page with one widget, and nothing else to do."""
    return document(element(widget, **more), head=LOAD_ELEMENT, lang=lang, direction=direction)


def script(text: str) -> str:
    """A script in the page itself, as the policy lets it."""
    return f'<script nonce="{NONCE}">{text}</script>'
