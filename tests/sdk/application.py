"""A back end as its users might write it: FastAPI and one client for everything."""

import gc
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from kaskad_sdk import AsyncOtpClient, OtpException

WIDGET = os.environ["OTP_WIDGET"]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncOtpClient(
        api_url=os.environ["OTP_URL"],
        api_token=os.environ["OTP_TOKEN"],
        timeout=60,  # the machine is shared
        long_poll_timeout=float(os.environ["OTP_HOLD"]),
    ) as client:
        app.state.otp = client
        yield


app = FastAPI(lifespan=lifespan)


def otp(request: Request) -> AsyncOtpClient:
    client: AsyncOtpClient = request.app.state.otp
    return client


Otp = Annotated[AsyncOtpClient, Depends(otp)]


class Begin(BaseModel):
    """Who wants to sign in."""

    number: str


@app.exception_handler(OtpException)
async def refused(_: Request, error: OtpException) -> JSONResponse:
    return JSONResponse({"type": error.type}, status_code=error.http_status or 502)


@app.post("/begin")
async def begin(body: Begin, client: Otp) -> dict[str, str]:
    sent = await client.send(WIDGET, body.number)
    return {"id": sent.request_id}


@app.post("/wait/{request_id}")
async def wait(request_id: str, client: Otp) -> dict[str, bool]:
    status = await client.wait_for_success_status(request_id, timeout=60)
    return {"success": status.success}


@app.post("/finish/{request_id}")
async def finish(request_id: str, body: Begin, client: Otp) -> dict[str, bool]:
    status = await client.check_status_and_complete(request_id, body.number)
    return {"success": status.success}


@app.get("/memory")
async def memory() -> dict[str, int]:
    """Kilobytes in use, after what can be let go of."""
    gc.collect()
    line = next(
        x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS")
    )
    return {"kb": int(line.split()[1])}


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", timeout_keep_alive=120
    )
