"""Log in with a phone number, on Litestar."""

import os
from dataclasses import dataclass
from pathlib import Path

from litestar import Litestar, get, post
from litestar.exceptions import HTTPException
from litestar.response import File

from kaskad_sdk import AsyncOtpClient, OtpException
from kaskad_sdk.contrib.litestar import kaskad_router

otp = AsyncOtpClient(
    api_url=os.environ["KASKAD_URL"], api_token=os.environ["KASKAD_TOKEN"], language="en"
)


@dataclass
class Verified:
    requestId: str
    recipient: str


@post("/login", status_code=200)
async def login(data: Verified) -> dict[str, str]:
    try:
        verdict = await otp.check_status_and_complete(data.requestId, data.recipient)
    except OtpException as refusal:
        raise HTTPException(refusal.message, status_code=refusal.http_status or 503) from refusal
    if not verdict.success:
        raise HTTPException("not verified", status_code=403)
    return {"phone": data.recipient}  # it is theirs: begin their session here


@get("/", media_type="text/html")
async def page() -> File:
    return File(
        Path(__file__).parents[1] / "page" / "index.html", content_disposition_type="inline"
    )


app = Litestar([kaskad_router(otp, prefix="/auth/otp"), login, page])
