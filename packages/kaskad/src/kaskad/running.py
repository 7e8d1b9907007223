"""Whole programs: a server, a demo, a test message, a look at a session, a check-up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import structlog
import uvloop

from kaskad.app import templates, tokens
from kaskad.app.inbox import Inbox
from kaskad.app.ports import Clock, Entropy, Message, SendResult, Snapshot
from kaskad.bootstrap import (
    SIMULATOR,
    Options,
    Service,
    allow_many_sockets,
    build,
    is_loopback,
    session_path,
)
from kaskad.config import Declared, OperatorError, ServerSettings, database_path
from kaskad.core.model import Channel, CodeType, Session
from kaskad.core.recipients import parse_recipient
from kaskad.drivers import check_settings
from kaskad.drivers.registry import DriverSet
from kaskad.http.server import Server, bind
from kaskad.stores.catalog import SqlCatalog
from kaskad.stores.sqlite import SqliteStore, read_session
from kaskad.system import SystemClock, SystemEntropy
from kaskad.telemetry import logs

log = structlog.get_logger()


class Impossible(Exception):  # said to a person, not to a programmer
    """What was asked for cannot be done; the message is one clear line."""


# --- serving -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a server is started with; ``ready`` hears the address once it listens."""

    settings: ServerSettings
    declared: Declared | None = None
    demo_token: str | None = None
    ready: Callable[[str], None] = lambda _: None


def serve(program: Program) -> None:
    """Serve until told to stop."""
    allow_many_sockets()
    logs.configure(level=program.settings.log_level, form=program.settings.log_format)
    uvloop.run(_serve(program))


async def _serve(program: Program) -> None:
    settings = program.settings
    listener = bind(settings.host, settings.port)
    with contextlib.closing(listener):
        async with _service(program) as service:
            server = Server(service.application, service.drain)
            address = address_of(settings)
            log.info("listening", address=address)
            program.ready(address)
            async with service.running():
                await server.serve(sockets=[listener])
    log.info("stopped")


@contextlib.asynccontextmanager
async def _service(program: Program) -> AsyncIterator[Service]:
    settings, clock, entropy = program.settings, SystemClock(), SystemEntropy()
    async with _catalog(settings, clock, entropy) as catalog:
        if program.declared is not None:
            await catalog.apply(program.declared)
        store = await SqliteStore.open(sessions_file(settings), clock.now)
        try:
            yield build(
                options_of(settings, program.demo_token),
                store=store,
                catalog=catalog,
                clock=clock,
                entropy=entropy,
            )
        finally:
            await store.close()


@contextlib.asynccontextmanager
async def _catalog(
    settings: ServerSettings, clock: Clock, entropy: Entropy
) -> AsyncIterator[SqlCatalog]:
    catalog = await SqlCatalog.open(
        settings.database_url, settings.keys, clock=clock, entropy=entropy
    )
    try:
        yield catalog
    finally:
        await catalog.close()


def options_of(settings: ServerSettings, demo_token: str | None) -> Options:
    """What the parts need of the settings."""
    direct = is_loopback(settings.host) and not settings.public_url and not settings.trusted_proxies
    return Options(
        secret_keys=settings.keys,
        session_lifetime_s=settings.session_lifetime,
        long_poll_timeout_s=settings.long_poll_timeout,
        default_region=settings.default_region,
        handset=settings.demo or direct,
        local_only=is_loopback(settings.host),
        demo_token=demo_token,
    )


def sessions_file(settings: ServerSettings) -> Path:
    """The embedded session store's file."""
    if settings.sessions_url:
        return database_path(settings.sessions_url)
    return session_path(database_path(settings.database_url))


def address_of(settings: ServerSettings) -> str:
    """Where a browser on this machine finds the service."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return settings.public_url or f"http://{host}:{settings.port}"


# --- the demo ----------------------------------------------------------------------


def prepare_demo(folder: Path) -> Path:
    """Make what the demo needs and keep what is there: keys, a token, a configuration."""
    entropy = SystemEntropy()
    folder.mkdir(parents=True, exist_ok=True)
    _keep(folder / "secret-key", entropy.token(32).hex())
    _keep(folder / "token", tokens.make(entropy.token(tokens.RANDOM_BYTES)))
    configuration = folder / "kaskad.toml"
    if not configuration.exists():
        configuration.write_text((files("kaskad") / "demo.toml").read_text())
    return configuration


def _keep(path: Path, secret: str) -> None:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secret + "\n")


# --- one test message --------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A test message and what its provider answered."""

    channel: Channel
    message: Message
    result: SendResult | None
    seconds: float
    simulated: bool


def try_channel(settings: ServerSettings, tenant: str, channel_id: str, number: str) -> Trial:
    """Send a test message over a channel, past widgets and limits."""
    return asyncio.run(_try_channel(settings, tenant, channel_id, number))


async def _try_channel(
    settings: ServerSettings, tenant: str, channel_id: str, number: str
) -> Trial:
    clock, entropy = SystemClock(), SystemEntropy()
    async with _catalog(settings, clock, entropy) as catalog:
        channel = _known_channel(catalog.snapshot, tenant, channel_id)
        message = _trial_message(channel, settings.default_region, number, entropy)
        drivers = DriverSet(
            catalog=catalog,
            inbox=Inbox(),
            reports=lambda *_: None,
            clock=clock,
            entropy=entropy,
        )
        driver = drivers.get(tenant, channel.provider)
        if driver is None:
            raise OperatorError(
                [f'channel "{channel_id}": provider "{channel.provider}" is missing']
            )
        began = clock.now()
        result = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(channel.settings.send_timeout_s):
                result = await driver.send(message)
        seconds = (clock.now() - began).total_seconds()
        await drivers.close()
    account = catalog.snapshot.providers.get((tenant, channel.provider))
    return Trial(
        channel=channel,
        message=message,
        result=result,
        seconds=seconds,
        simulated=account is not None and account.driver == SIMULATOR,
    )


def _known_channel(snapshot: Snapshot, tenant: str, channel_id: str) -> Channel:
    channel = snapshot.channels.get((tenant, channel_id))
    if channel is None:
        known = ", ".join(sorted(c for t, c in snapshot.channels if t == tenant)) or "none"
        raise OperatorError([f'--channel: no channel is called "{channel_id}"; known: {known}'])
    return channel


def _trial_message(channel: Channel, region: str, number: str, entropy: Entropy) -> Message:
    recipient = parse_recipient(number, region)
    if recipient is None:
        raise OperatorError(
            [f'NUMBER: "{number}" is not a phone number; expected e.g. +79001234567']
        )
    settings, code = channel.settings, None
    if channel.type.code_type is CodeType.CODE:
        drawn = int.from_bytes(entropy.token(16), "big") % 10**settings.code_length
        code = f"{drawn:0{settings.code_length}}"
    template = channel.templates[0] if channel.templates else None
    text = templates.render(
        template.text if template else "",
        code=code or "",
        widget="kaskad",
        domain="",
        minutes=max(1, settings.lifetime_s // 60),
    )
    reference = entropy.uuid()
    return Message(
        reference=reference,
        session=reference,
        launch=1,
        recipient=recipient.number,
        type=channel.type,
        label=channel.label,
        text=text,
        code=code,
        locale=template.locale if template else "",
        ttl_s=settings.lifetime_s,
    )


# --- looking -----------------------------------------------------------------------


def find_session(settings: ServerSettings, session_id: str) -> Session:
    """A session of the store, also while a server is running on it."""
    session = read_session(sessions_file(settings), session_id.lower())
    if session is None:
        raise OperatorError([f"no session {session_id}: the id is unknown, or it is gone"])
    return session


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a check-up."""

    what: str
    fine: bool
    detail: str


def examine(settings: ServerSettings) -> Sequence[Finding]:
    """Check keys, stores and providers as a server would use them."""
    return asyncio.run(_examine(settings))


async def _examine(settings: ServerSettings) -> list[Finding]:
    clock, entropy = SystemClock(), SystemEntropy()
    count = len(settings.keys)
    findings = [Finding(what="secret keys", fine=True, detail=f"{count} in use")]
    async with _catalog(settings, clock, entropy) as catalog:
        snapshot = catalog.snapshot
        counts = (
            f"{len(snapshot.widgets)} widgets, {len(snapshot.channels)} channels, "
            f"{len(snapshot.providers)} providers, {len(snapshot.tokens)} tokens"
        )
        findings.append(Finding(what="catalogue", fine=True, detail=counts))
        findings.append(await _examine_sessions(settings, clock.now))
        findings += _examine_providers(snapshot)
        findings += _examine_widgets(snapshot, clock.now())
    findings.append(_examine_port(settings))
    return findings


async def _examine_sessions(settings: ServerSettings, now: Callable[[], datetime]) -> Finding:
    path = sessions_file(settings)
    try:
        store = await SqliteStore.open(path, now)
    except Exception as trouble:  # whatever it is, it is the finding
        in_use = type(trouble).__name__ == "StoreInUseError"
        detail = f"{path} belongs to a running server" if in_use else str(trouble)
        return Finding(what="session store", fine=in_use, detail=detail)
    try:
        await store.check()
        live = store.sizes()["sessions"]
    finally:
        await store.close()
    return Finding(what="session store", fine=True, detail=f"{path} takes writes, {live} sessions")


def _examine_providers(snapshot: Snapshot) -> list[Finding]:
    findings = []
    for (_, name), provider in sorted(snapshot.providers.items()):
        problems = check_settings(provider.driver, provider.settings)
        detail = "; ".join(problems) or f"driver {provider.driver}, settings are complete"
        findings.append(Finding(what=f"provider {name}", fine=not problems, detail=detail))
    return findings


def _examine_widgets(snapshot: Snapshot, now: datetime) -> list[Finding]:
    """Widgets that could start nothing for anybody."""
    findings = []
    for widget in snapshot.widgets.values():
        cascade = snapshot.cascade(widget.id)
        usable = [c for c in cascade.channels if c.enabled]
        idle = widget.blocked or not widget.active
        if not usable and not idle:
            detail = "no enabled channel: every send answers NoAvailableChannelsException"
            findings.append(Finding(what=f"widget {widget.id}", fine=False, detail=detail))
        for test in widget.test_recipients:
            if test.until <= now:
                detail = "a test recipient has run out"
                findings.append(Finding(what=f"widget {widget.id}", fine=True, detail=detail))
    return findings


def _examine_port(settings: ServerSettings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    try:
        bind(settings.host, settings.port).close()
    except Exception as taken:  # it is the finding
        return Finding(what="port", fine=True, detail=f"{taken}: a server is running there")
    return Finding(what="port", fine=True, detail=f"{where} is free")
