"""The clients and the gateways that the settings describe: one of each in a process."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.http import HttpRequest

from kaskad_sdk.client import AsyncOtpClient, OtpClient
from kaskad_sdk.contrib._arriving import LARGEST_BODY, address_reader
from kaskad_sdk.contrib.django.conf import NAME, client_ip_getter, options
from kaskad_sdk.gateway import SyncWidgetGateway, WidgetGateway


@cache
def otp_client() -> OtpClient:
    """The client for synchronous views, commands and tasks.

    Raises :class:`django.core.exceptions.ImproperlyConfigured` when the settings are wrong.
    """
    return OtpClient(**_client_options())


@cache
def async_otp_client() -> AsyncOtpClient:
    """The client for asynchronous views, of the one event loop that an ASGI server has.

    Raises :class:`django.core.exceptions.ImproperlyConfigured` when the settings are wrong.
    """
    return AsyncOtpClient(**_client_options())


@cache
def gateway() -> SyncWidgetGateway:
    """The gateway of the synchronous view."""
    return SyncWidgetGateway(otp_client(), **_gateway_options())


@cache
def async_gateway() -> WidgetGateway:
    """The gateway of the asynchronous view."""
    return WidgetGateway(async_otp_client(), **_gateway_options())


@cache
def address() -> Callable[[HttpRequest], str]:
    """What finds the address of whoever made a request."""
    given = options()
    return address_reader(
        _seen,
        trusted_proxies=given.get("TRUSTED_PROXIES", ()),
        get_client_ip=client_ip_getter(given.get("GET_CLIENT_IP")),
    )


def _seen(request: HttpRequest) -> tuple[str, list[str]]:
    return request.META.get("REMOTE_ADDR", ""), [request.headers.get("X-Forwarded-For", "")]


def _client_options() -> dict[str, Any]:
    given = options()
    return {
        "api_url": given.get("API_URL", ""),
        "api_token": given.get("API_TOKEN", ""),
        "environment": given.get("ENVIRONMENT", "production"),
        "captcha": given.get("CAPTCHA"),
        "language": given.get("LANGUAGE"),
    }


def _gateway_options() -> dict[str, Any]:
    return {
        "offer_completion": options().get("OFFER_COMPLETION", False),
        "max_body": LARGEST_BODY,
    }


def _forget(*, setting: str, **_: object) -> None:
    if setting == NAME:
        for made in (otp_client, async_otp_client, gateway, async_gateway, address):
            made.cache_clear()


setting_changed.connect(_forget)
