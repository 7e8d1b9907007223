"""Log in with a phone number, on FastAPI."""

import os
from pathlib import Path

from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from pydantic import BaseModel

from kaskad_sdk import AsyncOtpClient, OtpException
from kaskad_sdk.contrib.fastapi import kaskad_router

otp = AsyncOtpClient(
    api_url=os.environ["KASKAD_URL"], api_token=os.environ["KASKAD_TOKEN"], language="en"
)
app = FastAPI()
app.include_router(kaskad_router(otp), prefix="/auth/otp")


class Verified(BaseModel):
    requestId: str
    recipient: str


@app.post("/login")
async def login(given: Verified) -> dict[str, str]:
    try:
        verdict = await otp.check_status_and_complete(given.requestId, given.recipient)
    except OtpException as refusal:
        raise HTTPException(refusal.http_status or 503, refusal.message) from refusal
    if not verdict.success:
        raise HTTPException(403, "not verified")
    return {"phone": given.recipient}  # it is theirs: begin their session here


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(Path(__file__).parents[1] / "page" / "index.html")
