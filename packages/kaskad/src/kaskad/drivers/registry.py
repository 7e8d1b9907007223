"""Which drivers there are, and the accounts that are configured."""

import asyncio
from collections.abc import Callable, Mapping

import msgspec
import structlog

from kaskad.app.inbox import Inbox
from kaskad.app.ports import Catalog, Clock, Driver, Entropy, Provider, ReportSink
from kaskad.drivers import simulator

log = structlog.get_logger()

DRIVERS: Mapping[str, type[msgspec.Struct]] = {"simulator": simulator.Settings}
"""The settings of every driver, by its name."""


def problems(driver: str, settings: Mapping[str, object]) -> list[str]:
    """What is wrong with an account's settings."""
    kind = DRIVERS.get(driver)
    if kind is None:
        return [f'driver: expected one of {", ".join(sorted(DRIVERS))}, got "{driver}"']
    unknown = sorted(set(settings) - set(kind.__struct_fields__))
    if unknown:
        known = ", ".join(kind.__struct_fields__)
        return [f"{key}: unknown key; known: {known}" for key in unknown]
    found = []
    for name, expected in _expectations(kind).items():
        try:
            if name in settings:
                msgspec.convert({name: settings[name]}, kind)
        except msgspec.ValidationError:
            found.append(f"{name}: expected {expected}")
    delay = settings.get("delay")
    if isinstance(delay, int | float) and not 0 <= delay <= LONGEST_DELAY_S:
        found.append(f"delay: expected seconds from 0 to {LONGEST_DELAY_S}")
    return found


LONGEST_DELAY_S = 3600


def _expectations(kind: type[msgspec.Struct]) -> dict[str, str]:
    if kind is simulator.Settings:
        outcomes = ", ".join(simulator.Outcome)
        return {"outcome": f"one of {outcomes}", "delay": "a number of seconds"}
    return {}


class DriverSet:
    """The configured accounts, each with its driver, made when first needed."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        inbox: Inbox,
        reports: ReportSink,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._catalog = catalog
        self._known: dict[tuple[str, str], tuple[Provider, Driver]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._makers: dict[str, Callable[[Provider], Driver]] = {
            "simulator": lambda provider: simulator.Simulator(
                msgspec.convert(dict(provider.settings), simulator.Settings),
                inbox=inbox,
                reports=reports,
                clock=clock,
                entropy=entropy,
            )
        }

    def get(self, tenant: str, provider: str) -> Driver | None:
        """The driver of an account as it is configured now."""
        key = (tenant, provider)
        configured = self._catalog.snapshot.providers.get(key)
        made_for, driver = self._known.get(key, (None, None))
        if driver is not None and made_for == configured:
            return driver
        if driver is not None:
            del self._known[key]
            self._close_later(driver)
        if configured is None or configured.driver not in self._makers:
            return None
        driver = self._makers[configured.driver](configured)
        self._known[key] = (configured, driver)
        return driver

    def _close_later(self, driver: Driver) -> None:
        task = asyncio.get_running_loop().create_task(_close(driver))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Let go of every account."""
        await asyncio.gather(
            *self._closing, *(_close(driver) for _, driver in self._known.values())
        )
        self._known.clear()


async def _close(driver: Driver) -> None:
    try:
        await driver.close()
    except Exception:
        log.exception("account not closed", driver=type(driver).__name__)
