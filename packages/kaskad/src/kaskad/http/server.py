"""uvicorn, with a stop that answers held calls first."""

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

import uvicorn

from kaskad.http.asgi import Application
from kaskad.http.connection import Connection
from kaskad.http.porch import Patience, Porch

GRACE_S = 5
BACKLOG = 2048
TICKS_PER_SWEEP = 10


class PortInUseError(Exception):
    """Nobody can listen there: the port is taken, or the host is no address of this machine.

    ``expected`` is what would be expected instead, ``option`` how the command line gives it, and
    ``key`` how the configuration does.
    """

    def __init__(self, problem: str, expected: str, *, option: str, key: str) -> None:
        super().__init__(problem)
        self.expected = expected
        self.option = option
        self.key = key


def bind(host: str, port: int) -> socket.socket:
    """Listen, so that a taken port is noticed before anything else is begun."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as failure:
        listener.close()
        raise _refusal(f"{host}:{port}", failure) from failure
    listener.setblocking(False)
    return listener


_NOT_OURS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL}
"""EINVAL is what Linux says of a link-local address without its interface."""


def _refusal(where: str, failure: OSError) -> PortInUseError:
    problem = f"{where}: {failure.strerror}"
    if isinstance(failure, socket.gaierror) or failure.errno in _NOT_OURS:
        expected = "an address of this machine"
        return PortInUseError(problem, expected, option="--host ADDRESS", key="server.host")
    expected = "a port above 1023" if failure.errno == errno.EACCES else "a free port"
    return PortInUseError(problem, expected, option="--port N", key="server.port")


class Server(uvicorn.Server):
    """Tells the service that it is going to stop, before it waits for open requests."""

    def __init__(
        self,
        application: Application,
        drain: Callable[[], None],
        patience: Patience | None = None,
    ) -> None:
        self._porch = Porch(patience or Patience(), application.new_request_id)
        super().__init__(
            uvicorn.Config(
                application,
                interface="asgi3",
                loop="uvloop",
                http=cast("Any", partial(Connection, self._porch)),
                ws="none",
                lifespan="off",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                log_config=None,
                timeout_graceful_shutdown=GRACE_S,
                backlog=BACKLOG,
            )
        )
        self._drain = drain

    def stop(self) -> None:
        """Begin to stop; a second time: stop at once."""
        if self.should_exit:
            self.force_exit = True
        self._drain()
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: once a second, end the connections whose time is up."""
        if counter % TICKS_PER_SWEEP == 0:
            self._porch.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, and let whoever called us finish its own work."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        yield
