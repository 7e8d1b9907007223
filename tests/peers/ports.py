"""Ports for the servers that tests start."""

import itertools
import os
import random
import socket
from collections.abc import Iterator

LOWEST, WORKERS, EACH = 12_000, 16, 1_000
"""Below those that the system gives to whoever asks for any port: a client's connection could take
one of them before the server has started."""


def _ports() -> Iterator[int]:
    """Those of this process: tests that run beside each other have different ones."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    own = list(range(LOWEST + worker * EACH, LOWEST + (worker + 1) * EACH))
    first = random.SystemRandom().randrange(EACH)  # another run of the tests has others, too
    return itertools.cycle(own[first:] + own[:first])


_next_ports = _ports()


def free_port() -> int:
    """A port of the loopback that nobody listens on, and that nobody is given soon again."""
    for port in itertools.islice(_next_ports, EACH):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")
