"""Whole programs: a server, a demo, a test message, a look at a session."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import structlog
import uvloop

from kaskad.app import templates, tokens
from kaskad.app.inbox import Inbox
from kaskad.app.ports import Clock, DeadLetter, Entropy, Message, SendResult, Snapshot
from kaskad.bootstrap import (
    SIMULATOR,
    Options,
    Service,
    allow_many_sockets,
    build,
    collect_rarely,
    is_loopback,
    session_path,
)
from kaskad.config import (
    Declared,
    OperatorError,
    ServerSettings,
    database_path,
    lapsed,
    mistyped,
)
from kaskad.core.model import Channel, CodeType, Session, Widget
from kaskad.core.recipients import parse_recipient
from kaskad.drivers.registry import DriverSet
from kaskad.http.porch import Patience
from kaskad.http.server import Server, bind
from kaskad.http.widget.built import Built
from kaskad.stores.beside import Queue, read_letters, read_queues, read_session
from kaskad.stores.catalog import SqlCatalog
from kaskad.stores.sqlite import SqliteStore
from kaskad.system import SystemClock, SystemEntropy
from kaskad.telemetry import logs

log = structlog.get_logger()


# --- serving -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Program:
    """What a server is started with; ``ready`` hears the address once it listens."""

    settings: ServerSettings
    declared: Declared | None = None
    demo_token: str | None = field(default=None, repr=False)
    ready: Callable[[str], None] = lambda _: None


def serve(program: Program) -> None:
    """Serve until told to stop."""
    sockets = allow_many_sockets()
    logs.configure(level=program.settings.log_level, form=program.settings.log_format)
    uvloop.run(_serve(program, sockets))


async def _serve(program: Program, sockets: int) -> None:
    settings = program.settings
    listener = bind(settings.host, settings.port)
    with contextlib.closing(listener):
        async with _service(program) as service:
            server = Server(service.application, service.drain, patience_of(settings, sockets))
            collect_rarely()
            address = address_of(settings)
            log.info("listening", address=address)
            program.ready(address)
            async with service.running():
                await server.serve(sockets=[listener])
    log.info("stopped")


@contextlib.asynccontextmanager
async def _service(program: Program) -> AsyncIterator[Service]:
    settings, clock, entropy = program.settings, SystemClock(), SystemEntropy()
    async with opened_catalog(settings, clock, entropy) as catalog:
        for line in mistyped(os.environ):
            log.warning("variable_in_vain", problem=line)
        if program.declared is not None:
            await catalog.apply(program.declared)
            for line in lapsed(program.declared, clock.now()):
                log.warning("declared_in_vain", problem=line)
        store = await SqliteStore.open(sessions_file(settings), clock.now, clock.timebase)
        if not catalog.snapshot.widgets:
            log.warning("no_widgets", hint="`kaskad apply FILE` adds those that the file declares")
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
async def opened_catalog(
    settings: ServerSettings, clock: Clock, entropy: Entropy
) -> AsyncIterator[SqlCatalog]:
    """The catalogue of these settings, followed until the end."""
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
        request_timeout_s=settings.request_timeout,
        default_region=settings.default_region,
        handset=settings.demo or direct,
        local_only=is_loopback(settings.host),
        demo_token=demo_token,
        widget=Built.carried(),
        trusted_proxies=settings.trusted_proxies,
    )


def patience_of(settings: ServerSettings, sockets: int) -> Patience:
    """How many connections there may be with so many sockets, and how slow."""
    return Patience(
        connections=min(settings.max_connections or sockets, sockets),
        request_s=settings.request_timeout,
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
    token = tokens.make(entropy.token(tokens.RANDOM_BYTES))
    _keep(folder / "secret-key", entropy.token(32).hex() + "\n", mode=0o600)
    _keep(folder / "token", token + "\n", mode=0o600)
    configuration = folder / "kaskad.toml"
    _keep(configuration, (files("kaskad") / "demo.toml").read_text(), mode=0o644)
    return configuration


def _keep(path: Path, text: str, *, mode: int) -> None:
    """Write a file unless there is one: whole, or, if that fails half-way, not at all."""
    if path.exists():
        return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=mode)
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


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
    async with opened_catalog(settings, clock, entropy) as catalog:
        await catalog.require_tenant(tenant)
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
    if channel.type.needs_text and not channel.templates:
        raise OperatorError([f'--channel: "{channel_id}" has no template, so no text to send'])
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


def find_widget(settings: ServerSettings, tenant: str, widget_id: str | None) -> Widget:
    """A widget of the catalogue; without an id the tenant's only one."""
    return asyncio.run(_find_widget(settings, tenant, widget_id))


async def _find_widget(settings: ServerSettings, tenant: str, widget_id: str | None) -> Widget:
    async with opened_catalog(settings, SystemClock(), SystemEntropy()) as catalog:
        await catalog.require_tenant(tenant)
        all_widgets = [w for w in catalog.snapshot.widgets.values() if w.tenant == tenant]
    found = [w for w in all_widgets if widget_id is None or w.id == widget_id.lower()]
    if len(found) != 1:
        raise OperatorError([f"--widget: {_which(widget_id, all_widgets)}"])
    return found[0]


def _which(widget_id: str | None, known: Sequence[Widget]) -> str:
    if not known:
        return "there is none yet; `kaskad apply FILE` adds those that the file declares"
    listed = ", ".join(f"{widget.id} ({widget.name})" for widget in known)
    wrong = "which one?" if widget_id is None else f'no widget is called "{widget_id}";'
    return f"{wrong} known: {listed}"


def find_session(settings: ServerSettings, session_id: str) -> Session:
    """A session of the store, also while a server is running on it."""
    path = _known_file(settings)
    session = read_session(path, session_id)
    if session is None:
        problem = "the id is unknown, or it is gone"
        raise OperatorError([f"{path}: no session {session_id}: {problem}"])
    return session


def find_jobs(settings: ServerSettings) -> tuple[list[Queue], list[DeadLetter]]:
    """What waits for which account, and the dead letters, newest first."""
    path, now = _known_file(settings), SystemClock().now()
    return read_queues(path, now), read_letters(path, now)


def _known_file(settings: ServerSettings) -> Path:
    path = sessions_file(settings)
    if not path.exists():
        problem = "not there; expected the configuration of a service that has run"
        raise OperatorError([f"{path}: {problem}"])
    return path
