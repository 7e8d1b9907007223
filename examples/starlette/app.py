"""Log in with a phone number, on Starlette."""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

from kaskad_sdk import AsyncOtpClient, OtpException
from kaskad_sdk.contrib.starlette import kaskad_routes

otp = AsyncOtpClient(
    api_url=os.environ["KASKAD_URL"], api_token=os.environ["KASKAD_TOKEN"], language="en"
)


async def login(request: Request) -> JSONResponse:
    try:
        given = await request.json()
        verdict = await otp.check_status_and_complete(given["requestId"], given["recipient"])
    except OtpException as refusal:
        return JSONResponse({"message": refusal.message}, refusal.http_status or 503)
    except (ValueError, KeyError, TypeError):
        return JSONResponse({"message": "requestId and recipient are needed"}, 400)
    if not verdict.success:
        return JSONResponse({"message": "not verified"}, 403)
    return JSONResponse({"phone": given["recipient"]})  # it is theirs: begin their session here


async def page(_: Request) -> FileResponse:
    return FileResponse(Path(__file__).parents[1] / "page" / "index.html")


app = Starlette(
    routes=[
        *kaskad_routes(otp, prefix="/auth/otp"),
        Route("/login", login, methods=["POST"]),
        Route("/", page),
    ]
)
