"""uvicorn, with a stop that answers held calls first."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from kaskad.http.asgi import Application

GRACE_S = 5
BACKLOG = 2048


class PortInUseError(Exception):
    """Somebody else listens there, or the address is not this machine's."""


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
        raise PortInUseError(f"{host}:{port}: {failure.strerror}") from failure
    listener.setblocking(False)
    return listener


class Server(uvicorn.Server):
    """Tells the service that it is going to stop, before it waits for open requests."""

    def __init__(self, application: Application, drain: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                log_config=None,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=75,
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

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, and let whoever called us finish its own work."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        yield
