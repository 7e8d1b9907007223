"""Log in with a phone number, on aiohttp."""

import os
import sys
from pathlib import Path

from aiohttp import web

from kaskad_sdk import AsyncOtpClient, OtpException
from kaskad_sdk.contrib.aiohttp import kaskad_app

otp = AsyncOtpClient(
    api_url=os.environ["KASKAD_URL"], api_token=os.environ["KASKAD_TOKEN"], language="en"
)


async def login(request: web.Request) -> web.Response:
    try:
        given = await request.json()
        verdict = await otp.check_status_and_complete(given["requestId"], given["recipient"])
    except OtpException as refusal:
        return web.json_response({"message": refusal.message}, status=refusal.http_status or 503)
    except (ValueError, KeyError, TypeError):
        return web.json_response({"message": "requestId and recipient are needed"}, status=400)
    if not verdict.success:
        return web.json_response({"message": "not verified"}, status=403)
    return web.json_response({"phone": given["recipient"]})  # it is theirs: begin their session


async def page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(Path(__file__).parents[1] / "page" / "index.html")


app = web.Application()
app.add_subapp("/auth/otp", kaskad_app(otp))
app.add_routes([web.post("/login", login), web.get("/", page)])

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
