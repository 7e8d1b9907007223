"""The check-up of an installation: keys, stores, providers, what the catalogue holds, the port."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from kaskad.app.ports import Snapshot
from kaskad.config import ServerSettings, lapsed_recipients, mistyped
from kaskad.drivers import check_settings
from kaskad.http.server import bind
from kaskad.running import opened_catalog, sessions_file
from kaskad.stores.beside import read_letters
from kaskad.stores.sqlite import ForeignFileError, SqliteStore
from kaskad.system import SystemClock, SystemEntropy

A_DAY = timedelta(days=1)


class Verdict(StrEnum):
    """What a finding asks of the operator: nothing, a thought, or a remedy."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a check-up."""

    what: str
    verdict: Verdict
    detail: str


def examine(settings: ServerSettings) -> Sequence[Finding]:
    """Check keys, stores and providers as a server would use them."""
    return asyncio.run(_examine(settings))


async def _examine(settings: ServerSettings) -> list[Finding]:
    clock, entropy = SystemClock(), SystemEntropy()
    count = len(settings.keys)
    findings = [Finding(what="secret keys", verdict=Verdict.OK, detail=f"{count} in use")]
    findings += [
        Finding(what="environment", verdict=Verdict.NOTE, detail=line)
        for line in mistyped(os.environ)
    ]
    async with opened_catalog(settings, clock, entropy) as catalog:
        snapshot = catalog.snapshot
        counts = (
            f"{len(snapshot.widgets)} widgets, {len(snapshot.channels)} channels, "
            f"{len(snapshot.providers)} providers, {len(snapshot.tokens)} tokens"
        )
        if not snapshot.widgets:
            counts += "; `kaskad apply` fills it from a file"
        findings.append(Finding(what="catalogue", verdict=Verdict.OK, detail=counts))
        findings.append(await _examine_sessions(settings, clock.now))
        findings += _examine_letters(settings, clock.now())
        findings += _examine_providers(snapshot)
        findings += _examine_channels(snapshot)
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
        return Finding(
            what="session store", verdict=Verdict.OK if in_use else Verdict.PROBLEM, detail=detail
        )
    try:
        await store.check()
        live = store.sizes()["sessions"]
    finally:
        await store.close()
    return Finding(
        what="session store", verdict=Verdict.OK, detail=f"{path} takes writes, {live} sessions"
    )


def _examine_letters(settings: ServerSettings, now: datetime) -> list[Finding]:
    """Messages of the last day that could not be sent, through a fault of ours."""
    try:
        letters = read_letters(sessions_file(settings), now)
    except (ForeignFileError, OSError):
        return []  # the finding on the session store says so
    lately = [letter for letter in letters if letter.at + A_DAY > now]
    if not lately:
        return []
    newest = f"the newest for {lately[0].lane}: {lately[0].reason}"
    detail = f"{len(lately)} in the last day, {newest}; `kaskad jobs` lists them"
    return [Finding(what="dead letters", verdict=Verdict.NOTE, detail=detail)]


def _examine_providers(snapshot: Snapshot) -> list[Finding]:
    findings = []
    for (_, name), provider in sorted(snapshot.providers.items()):
        problems = check_settings(provider.driver, provider.settings)
        detail = "; ".join(problems) or f"driver {provider.driver}, settings are complete"
        findings.append(
            Finding(
                what=f"provider {name}",
                verdict=Verdict.PROBLEM if problems else Verdict.OK,
                detail=detail,
            )
        )
    return findings


def _examine_channels(snapshot: Snapshot) -> list[Finding]:
    """Channels that are passed over, whoever the message is for."""
    detail = "no template: it is passed over, since it has no text to send"
    return [
        Finding(what=f"channel {name}", verdict=Verdict.PROBLEM, detail=detail)
        for (_, name), channel in sorted(snapshot.channels.items())
        if channel.enabled and channel.type.needs_text and not channel.templates
    ]


def _examine_widgets(snapshot: Snapshot, now: datetime) -> list[Finding]:
    """Widgets that could start nothing for anybody, and test numbers that are none any more."""
    findings = []
    for widget in snapshot.widgets.values():
        cascade = snapshot.cascade(widget.id)
        usable = [c for c in cascade.channels if c.enabled]
        idle = widget.blocked or not widget.active
        if not usable and not idle:
            detail = "no enabled channel: every send answers NoAvailableChannelsException"
            findings.append(
                Finding(what=f"widget {widget.id}", verdict=Verdict.PROBLEM, detail=detail)
            )
        for index, line in lapsed_recipients(widget, now):
            what = f"widget {widget.id}: test_recipients[{index}].until"
            findings.append(Finding(what=what, verdict=Verdict.NOTE, detail=line))
    return findings


def _examine_port(settings: ServerSettings) -> Finding:
    where = f"{settings.host}:{settings.port}"
    try:
        bind(settings.host, settings.port).close()
    except Exception as taken:  # it is the finding
        return Finding(
            what="port", verdict=Verdict.OK, detail=f"{taken}: a server is running there"
        )
    return Finding(what="port", verdict=Verdict.OK, detail=f"{where} is free")
