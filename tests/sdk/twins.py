"""Both clients behind one face, so that a test is written once and run on each."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

from kaskad_sdk import AsyncOtpClient, OtpClient
from kaskad_sdk._steps import Request, Response

Client: TypeAlias = AsyncOtpClient | OtpClient


class Twin:
    """Calls a client's methods; those of the blocking one in threads."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._threads = ThreadPoolExecutor(160)

    async def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        call: Callable[..., Any] = getattr(self.client, method)
        if isinstance(self.client, AsyncOtpClient):
            return await call(*args, **kwargs)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(call, *args, **kwargs))

    async def forward(self, request: Request) -> Response:
        answer: Response = await self("forward", request)
        return answer

    async def close(self) -> None:
        if isinstance(self.client, AsyncOtpClient):
            await self.client.close()
        else:
            await asyncio.to_thread(self.client.close)
        await asyncio.to_thread(self._threads.shutdown)


KINDS: tuple[type[Client], ...] = (AsyncOtpClient, OtpClient)
