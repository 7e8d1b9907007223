"""Connections to others than the service: the vendors of captchas.

Each address has the proxy that the environment names for it, whatever the service's is. The
machine's certificates are read when the first of them is asked, since that takes a while, and once.
"""

import asyncio
import ssl
import threading
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from kaskad_sdk._forks import renewed_by_forks
from kaskad_sdk._slots import Slots

LIMITS: Final = httpx2.Limits(
    max_connections=100, max_keepalive_connections=20, keepalive_expiry=4.0
)


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc):
        return None
    found = getproxies()
    return found.get(parts.scheme) or found.get("all")


class AsyncOutside:
    """Connections for an awaiting client."""

    def __init__(self) -> None:
        self._pools: dict[str | None, httpx2.AsyncHTTPTransport] = {}
        self._context: ssl.SSLContext | None = None
        self._lock = asyncio.Lock()

    async def pool(self, url: str) -> httpx2.AsyncHTTPTransport:
        """What reaches an address."""
        proxy = proxy_of(url)
        async with self._lock:
            if self._context is None:
                self._context = await asyncio.to_thread(httpx2.create_ssl_context)
            if proxy not in self._pools:
                self._pools[proxy] = httpx2.AsyncHTTPTransport(
                    verify=self._context, proxy=proxy, limits=LIMITS
                )
            return self._pools[proxy]

    async def close(self) -> None:
        """Let go of every connection."""
        for pool in self._pools.values():
            await pool.aclose()


class Outside:
    """Connections for a blocking client, whatever the thread."""

    def __init__(self) -> None:
        self._slots: dict[str | None, Slots] = {}
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        renewed_by_forks(self)

    def renew(self) -> None:
        """In the child of a fork: the connections renew themselves."""
        self._lock = threading.Lock()

    def slots(self, url: str) -> Slots:
        """What reaches an address."""
        proxy = proxy_of(url)
        with self._lock:
            if self._context is None:
                self._context = httpx2.create_ssl_context()
            if proxy not in self._slots:
                self._slots[proxy] = Slots(self._context, proxy)
            return self._slots[proxy]

    def close(self) -> None:
        """Let go of every connection."""
        for slots in self._slots.values():
            slots.close()
