"""The same widgets on every stage: the simulation, a service in the process, a real one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

HOLD_S = 1.0
BRIEF_S = 4  # long enough to type a code in while the machine stands still for a while
TOKEN = "ksk-test-of-the-sdk-and-its-twins"
NARROW_TOKEN = "ksk-test-of-one-other-widget-only"
WRONG_TOKEN = "ksk-test-of-a-token-nobody-knows"


@dataclass(frozen=True, kw_only=True)
class Way:
    """A channel with what becomes of its messages; seconds."""

    type: str = "sms"
    label: str = "SMS"
    outcome: str = "deliver"
    delay: float = 0.0
    code_length: int = 6
    lifetime: int = 300
    tries: int = 3
    restarts: int = 1
    cooldown: int = 1
    send_timeout: int = 10
    enabled: bool = True


WAYS = {
    "sms": Way(),
    "voice": Way(type="voice", label="Voice", code_length=4),
    "push": Way(type="sim_push", label="Push"),
    "brief": Way(lifetime=BRIEF_S),
    "reject": Way(outcome="reject"),
    "hang": Way(outcome="hang", send_timeout=60),
    "lost": Way(outcome="undelivered", delay=0.6),
    "lostpush": Way(type="sim_push", label="Push", outcome="undelivered", delay=0.6),
    "off": Way(enabled=False),
}


def _id(number: int) -> str:
    return str(UUID(int=(0xC0DE << 64) + number, version=4))


WIDGETS = {
    "sms": ("sms",),
    "push": ("push",),
    "brief": ("brief",),
    "dead": ("reject",),
    "fallback": ("reject", "voice"),
    "two": ("sms", "voice"),
    "hang": ("hang",),
    "to_push": ("lost", "push"),
    "from_push": ("lostpush", "sms"),
    "nobody": ("off",),
    "blocked": ("sms",),
    "inactive": ("sms",),
    "other": ("sms",),
}
IDS = {name: _id(number) for number, name in enumerate(WIDGETS, 1)}
NO_WIDGET = _id(99)
NO_SESSION = "11111111-2222-4333-8444-555555555555"


def toml(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if not isinstance(value, str) else f'"{value}"'


def configuration() -> str:
    """The stage as the service's own configuration; ``{port}`` is left open."""
    parts = [
        "[server]",
        "port = {port}",
        'secret_key = "env:KASKAD_SECRET_KEY"',
        'database_url = "sqlite:///kaskad.db"',
        f"long_poll_timeout = {int(HOLD_S)}",
        "[[tokens]]",
        'name = "all"',
        f'token = "{TOKEN}"',
        "[[tokens]]",
        'name = "narrow"',
        f'token = "{NARROW_TOKEN}"',
        f'widgets = ["{IDS["other"]}"]',
    ]
    for name, way in WAYS.items():
        parts += _channel(name, way)
    for name, ways in WIDGETS.items():
        parts += [
            "[[widgets]]",
            f'id = "{IDS[name]}"',
            f'name = "{name}"',
            f"channels = {list(ways)!r}".replace("'", '"'),
            f"active = {toml(name != 'inactive')}",
            f"blocked = {toml(name == 'blocked')}",
        ]
    return "\n".join(parts)


def _channel(name: str, way: Way) -> list[str]:
    return [
        "[[providers]]",
        f'id = "p-{name}"',
        'driver = "simulator"',
        f'outcome = "{way.outcome}"',
        f"delay = {way.delay}",
        "[[channels]]",
        f'id = "{name}"',
        f'type = "{way.type}"',
        f'label = "{way.label}"',
        f'provider = "p-{name}"',
        f"enabled = {toml(way.enabled)}",
        f"code = {{{{ length = {way.code_length}, beautify = false }}}}",
        f"lifetime = {way.lifetime}",
        f"number_of_tries = {way.tries}",
        f"number_of_restart = {way.restarts}",
        f"restart_cooldown = {way.cooldown}",
        f"send_timeout = {way.send_timeout}",
        'templates = [ {{ locale = "ru", text = "{{{{ code }}}}" }} ]',
    ]
