"""The composition root: the one place that chooses what stands behind each port."""

import asyncio
import contextlib
import gc
import resource
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import structlog
from starlette.routing import BaseRoute

from kaskad.app.addresses import Network
from kaskad.app.callers import Callers
from kaskad.app.engine import Engine
from kaskad.app.gate import Gate
from kaskad.app.inbox import Inbox
from kaskad.app.pages import Pages
from kaskad.app.polling import Hub
from kaskad.app.ports import Captchas, Catalog, Clock, Entropy, Snapshot, Store
from kaskad.app.reports import Reports
from kaskad.app.sweeper import Sweeper
from kaskad.app.timing import sleep
from kaskad.app.verification import Verifications
from kaskad.app.worker import Worker
from kaskad.captchas import LazyCaptchas
from kaskad.core.codes import Keyring
from kaskad.drivers.registry import DriverSet
from kaskad.http.asgi import Application
from kaskad.http.demo import Demo
from kaskad.http.guard import guard
from kaskad.http.handler import openapi
from kaskad.http.handler.endpoint import Handler
from kaskad.http.handler.routes import BASE
from kaskad.http.handset import Handset
from kaskad.http.ops import Ops
from kaskad.http.sdk.endpoint import PageEndpoints
from kaskad.http.widget import Widget
from kaskad.http.widget.built import Built
from kaskad.http.widget.embed import element_of, texts
from kaskad.telemetry.lag import LagWatch
from kaskad.telemetry.metrics import Metrics

log = structlog.get_logger()

SIMULATOR = "simulator"
STOP_WITHIN_S = 2.0
FLUSH_EVERY_S = 30.0
YOUNG_OBJECTS = 20_000
OTHER_FILES = 256


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the parts need to know of the server's settings."""

    secret_keys: Sequence[bytes] = field(repr=False)
    session_lifetime_s: int = 900
    long_poll_timeout_s: float = 25.0
    request_timeout_s: float = 10.0
    default_region: str = "RU"
    handset: bool = False
    local_only: bool = True
    demo_token: str | None = field(default=None, repr=False)
    widget: Built = field(default_factory=lambda: Built({}))
    trusted_proxies: Sequence[Network] = ()


@dataclass(frozen=True, kw_only=True)
class Service:
    """The running parts."""

    application: Application
    catalog: Catalog
    clock: Clock
    engine: Engine
    hub: Hub
    inbox: Inbox
    store: Store
    verifications: Verifications
    _callers: Callers
    _captchas: LazyCaptchas
    _drivers: DriverSet
    _lag: LagWatch
    _reports: Reports
    _sweeper: Sweeper
    _worker: Worker

    def drain(self) -> None:
        """Answer every held call: the service is about to stop."""
        self.hub.drain()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do the background work for as long as the block runs."""
        self._lag.start()
        self._worker.start()
        self._sweeper.start()
        flusher = asyncio.create_task(self._flush_forever(), name="kaskad-token-use")
        try:
            yield
        finally:
            self.drain()
            flusher.cancel()
            await self._worker.stop(STOP_WITHIN_S)
            await self._sweeper.stop()
            await self._reports.drain()
            await self._drivers.close()
            await self._captchas.close()
            await self._flush()
            self._lag.stop()

    async def _flush_forever(self) -> None:
        while True:
            await sleep(self.clock, FLUSH_EVERY_S)
            await self._flush()

    async def _flush(self) -> None:
        try:
            await self._callers.flush()
        except Exception:
            log.exception("last use of tokens not noted")


def build(
    options: Options,
    *,
    store: Store,
    catalog: Catalog,
    clock: Clock,
    entropy: Entropy,
    captchas: Captchas | None = None,
) -> Service:
    """Wire the parts. Nothing runs until :meth:`Service.running`."""
    judges = LazyCaptchas(options.secret_keys, clock, entropy)
    metrics = Metrics()
    metrics.watch(store.sizes)
    engine = Engine(
        store=store,
        catalog=catalog,
        clock=clock,
        keyring=Keyring(options.secret_keys),
        telemetry=metrics,
    )
    hub = Hub(clock, metrics)
    store.subscribe(hub.wake)
    reports, inbox = Reports(engine), Inbox()
    drivers = DriverSet(
        catalog=catalog, inbox=inbox, reports=reports.receive, clock=clock, entropy=entropy
    )
    worker = Worker(
        engine=engine, catalog=catalog, drivers=drivers, entropy=entropy, telemetry=metrics
    )
    verifications = Verifications(
        engine=engine,
        gate=Gate(engine, captchas or judges, metrics),
        catalog=catalog,
        hub=hub,
        entropy=entropy,
        telemetry=metrics,
        session_lifetime_s=options.session_lifetime_s,
        default_region=options.default_region,
        long_poll_timeout_s=options.long_poll_timeout_s,
    )
    callers = Callers(catalog, clock)
    handler = Handler(
        verifications=verifications,
        callers=callers,
        clock=clock,
        entropy=entropy,
        telemetry=metrics,
        request_timeout_s=options.request_timeout_s,
    )
    pages = PageEndpoints(
        api=handler,
        pages=Pages(catalog),
        telemetry=metrics,
        trusted_proxies=options.trusted_proxies,
    )
    ops = Ops(
        store=store,
        metrics=metrics.render,
        openapi=openapi.document,
        draining=lambda: hub.draining,
    )
    widget = Widget(options.widget).routes()
    routes = [*ops.routes(), *widget, *_pages(options, handler, catalog, inbox, hub)]
    return Service(
        application=Application(handler, pages, routes),
        catalog=catalog,
        clock=clock,
        engine=engine,
        hub=hub,
        inbox=inbox,
        store=store,
        verifications=verifications,
        _callers=callers,
        _captchas=judges,
        _drivers=drivers,
        _lag=LagWatch(metrics.lagged),
        _reports=reports,
        _sweeper=Sweeper(engine),
        _worker=worker,
    )


def _pages(
    options: Options, handler: Handler, catalog: Catalog, inbox: Inbox, hub: Hub
) -> list[BaseRoute]:
    """The pages that show codes: only where the options allow them."""
    look = guard(local_only=options.local_only)
    routes: list[BaseRoute] = []
    if options.handset:
        handset = Handset(
            inbox,
            region=options.default_region,
            guard=look,
            simulated=lambda: _has_simulator(catalog.snapshot),
            demo=options.demo_token is not None,
            draining=lambda: hub.draining,
        )
        routes += handset.routes()
    if options.demo_token is not None:
        demo = Demo(
            catalog=catalog,
            api=handler,
            api_base=BASE,
            token=options.demo_token,
            region=options.default_region,
            guard=look,
            element=element_of(options.widget),
            embed=partial(texts, options.widget),
        )
        routes += demo.routes()
    return routes


def _has_simulator(snapshot: Snapshot) -> bool:
    return any(provider.driver == SIMULATOR for provider in snapshot.providers.values())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a service that listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def allow_many_sockets() -> int:
    """Raise the soft limit of open files to the hard one, and say how many sockets that leaves."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard - OTHER_FILES, hard // 2)


def collect_rarely() -> None:
    """Let the garbage collector look seldom, and never again at what the start left.

    Sessions hold no cycles and are freed by their counts. What is left for the
    collector are a few tasks and exceptions, and every look would cost all calls under way.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 50, 100)


def session_path(database: Path) -> Path:
    """The embedded session store's file, beside the catalogue's."""
    return database.with_name(f"{database.stem}-sessions{database.suffix}")
