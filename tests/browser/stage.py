"""The service that the browser tests talk to: a real demo process with a widget for each plot."""

import itertools
import time
import uuid
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx2

from tests.acceptance.browser import Demo
from tests.peers.captcha_vendors import CLOUDFLARE, GOOGLE, SECRET, YANDEX, Vendors

NAMESPACE = uuid.UUID("5d4c3b2a-1908-4e7f-9a20-0b6f8a523c1d")
WITHIN_S = 30.0

LIMITS = (
    "limits = { per_recipient_per_minute = 99, per_recipient_per_hour = 999, "
    "per_ip_per_minute = 999 }"
)

ALTCHA = 'captcha = { provider = "altcha", max_number = 1000, first_free_requests_per_ip = 0 }'

# Widgets with a vendor's captcha: who it is, where tokens are judged, and what differs.
VENDORS = {
    "google2": ("google", GOOGLE, ""),
    "google3": ("google", GOOGLE, 'version = 3, action = "login", '),
    "yandex": ("yandex", YANDEX, ""),
    "cloudflare": ("cloudflare", CLOUDFLARE, 'action = "login", '),
}
SITE_KEY = "site-key"

HEAD = """
[server]
demo = true
secret_key = "file:secret-key"
database_url = "sqlite:///kaskad.db"
long_poll_timeout = 5

[[tokens]]
name = "demo"
token = "file:token"
"""

# Accounts by what becomes of a message.
PROVIDERS = {
    "handset": ("deliver", 0.1),
    "slow": ("deliver", 4.0),
    "rejecting": ("reject", 2.0),
    "lossy": ("undelivered", 5.0),
    "silent": ("hang", 0.1),
}

QUICK_CALL = "code = { length = 4 }\nnumber_of_restart = 0\nrestart_cooldown = 1"

# Channels: id, type, label, provider and what differs from the defaults.
CHANNELS = [
    ("sms", "sms", "SMS", "handset", ""),
    ("voice", "voice", "Voice call", "handset", ""),
    ("flashcall", "flashcall", "Flash call", "handset", "code = { length = 4 }"),
    ("telegramcode", "telegramcode", "Telegram", "handset", ""),
    ("whatsapp", "whatsapp", "WhatsApp", "handset", ""),
    ("viber", "viber", "Viber", "handset", ""),
    ("vk", "vk", "VK", "handset", ""),
    ("sim_push", "sim_push", "SIM push", "handset", ""),
    ("long", "sms", "SMS", "handset", "code = { length = 10 }"),
    ("slow", "viber", "Viber", "slow", ""),
    ("rejected", "whatsapp", "WhatsApp", "rejecting", ""),
    ("lost_push", "sim_push", "SIM push", "lossy", ""),
    ("silent", "sms", "SMS", "silent", "send_timeout = 600"),
    ("brisk", "sms", "SMS", "handset", "restart_cooldown = 2"),
    ("brief", "sms", "SMS", "handset", "lifetime = 6\nrestart_cooldown = 1"),
    ("once", "sms", "SMS", "handset", "lifetime = 3\nnumber_of_restart = 0"),
    ("once_push", "sim_push", "SIM push", "handset", "number_of_restart = 0"),
    ("quick_call", "flashcall", "Flash call", "handset", QUICK_CALL),
    ("brief_push", "sim_push", "SIM push", "handset", "lifetime = 3"),
]

# Widgets by name: their cascades. One of the same name stands for every type of channel.
WIDGETS = {
    **{channel[0]: [channel[0]] for channel in CHANNELS},
    "cascade": ["rejected", "slow", "sms", "voice"],
    "either": ["brisk", "voice"],
    "push_first": ["once_push", "sms"],
    "push_or_code": ["sim_push", "sms"],
    "call_first": ["quick_call", "sms"],
    "call_second": ["brisk", "flashcall"],
    "lossy": ["lost_push", "sms"],
    "blocked": ["sms"],
    "guarded": ["sms"],
    **{name: ["sms"] for name in VENDORS},
}


def widget_id(name: str) -> str:
    """The id of a widget of this stage, and of none for another name."""
    return str(uuid.uuid5(NAMESPACE, name))


def _text(kind: str) -> str:
    if kind in {"flashcall", "sim_push", "telegramcode"}:
        return ""
    return (
        'templates = [{ locale = "ru", text = "{{ code }} — код" }, '
        '{ locale = "en", text = "{{ code }} is your code" }]'
    )


def _captcha(name: str, vendors: Vendors) -> str:
    provider, path, rest = VENDORS[name]
    return (
        f'captcha = {{ provider = "{provider}", site_key = "{SITE_KEY}", secret_key = "{SECRET}", '
        f'{rest}hostnames = ["shop.example"], verify_url = "{vendors.url(path)}" }}'
    )


def _rest(name: str, origins: list[str], vendors: Vendors) -> str:
    listed = ", ".join(f'"{origin}"' for origin in origins)
    lines = [f"allowed_origins = [{listed}]", LIMITS]
    if name == "blocked":
        lines.append("blocked = true")
    if name == "guarded":
        lines.append(ALTCHA)
    if name in VENDORS:
        lines.append(_captcha(name, vendors))
    return "\n".join(lines)


def _config(origins: list[str], vendors: Vendors) -> str:
    tables = [HEAD]
    for name, (outcome, delay) in PROVIDERS.items():
        tables.append(
            f'[[providers]]\nid = "{name}"\ndriver = "simulator"\n'
            f'outcome = "{outcome}"\ndelay = {delay}\n'
        )
    for name, kind, label, provider, rest in CHANNELS:
        tables.append(
            f'[[channels]]\nid = "{name}"\ntype = "{kind}"\nlabel = "{label}"\n'
            f'provider = "{provider}"\n{rest}\n{_text(kind)}\n'
        )
    for name, channels in WIDGETS.items():
        listed = ", ".join(f'"{channel}"' for channel in channels)
        tables.append(
            f'[[widgets]]\nid = "{widget_id(name)}"\nname = "{name}"\n'
            f"channels = [{listed}]\n{_rest(name, origins, vendors)}\n"
        )
    return "\n".join(tables)


class Stage(Demo):
    """The demo with these widgets, the phones that its messages reach, and captchas' vendors."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Another site as browsers see it; its pages need no server of their own.
        self.shop = f"http://shop.localhost:{self.port}"
        self.vendors = Vendors()
        (folder / "kaskad.toml").write_text(_config([self.url, self.shop], self.vendors))
        self._phones = itertools.count(1)

    def __enter__(self) -> Self:
        self.vendors.__enter__()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.vendors.__exit__()

    def number(self) -> str:
        """A phone that no other test uses."""
        return f"+7900{next(self._phones):07}"

    def received(self, number: str, count: int = 1) -> list[dict[str, Any]]:
        """The messages on a phone, once there are as many."""
        url = f"{self.url}/handset/messages?recipient={quote(number)}"
        ends = time.monotonic() + WITHIN_S
        while time.monotonic() < ends:
            found: list[dict[str, Any]] = httpx2.get(url, timeout=WITHIN_S).json()
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{count} messages never came to {number}: {self.log()}")

    def code(self, number: str, count: int = 1) -> str:
        """The code in the newest message on a phone, once there are as many."""
        code: str = self.received(number, count)[-1]["code"]
        return code

    def press(self, number: str, action: str) -> None:
        """Answer the newest push on a phone: ``confirm`` or ``decline``."""
        message = self.received(number)[-1]["id"]
        url = f"{self.url}/handset/messages/{message}/{action}"
        assert httpx2.post(url, timeout=WITHIN_S).status_code == 200
