"""Log in with a phone number, on Django."""

import json
from pathlib import Path

from django.http import FileResponse, HttpRequest, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_POST

from kaskad_sdk import OtpException
from kaskad_sdk.contrib.django import otp_client


@require_POST
def login(request: HttpRequest) -> JsonResponse:
    try:
        given = json.loads(request.body)
        verdict = otp_client().check_status_and_complete(given["requestId"], given["recipient"])
    except OtpException as refusal:
        return JsonResponse({"message": refusal.message}, status=refusal.http_status or 503)
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"message": "requestId and recipient are needed"}, status=400)
    if not verdict.success:
        return JsonResponse({"message": "not verified"}, status=403)
    return JsonResponse({"phone": given["recipient"]})  # it is theirs: begin their session here


@ensure_csrf_cookie
def page(_: HttpRequest) -> FileResponse:
    return FileResponse((Path(__file__).parents[1] / "page" / "index.html").open("rb"))


urlpatterns = [
    path("auth/otp/", include("kaskad_sdk.contrib.django.urls")),
    path("login", login),
    path("", page),
]
