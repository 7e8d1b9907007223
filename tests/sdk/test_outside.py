"""A captcha's vendor is reached over TLS and by its own way, wherever the service is."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from kaskad_sdk import CaptchaNotConfirmedException
from kaskad_sdk.captcha import Cloudflare
from tests.peers.captcha_vendors import CLOUDFLARE, SECRET, Vendors
from tests.sdk.faulty import FaultyServer, Reply
from tests.sdk.twins import KINDS, Client, Twin

pytestmark = pytest.mark.parametrize("kind", KINDS)

WIDGET = "123634df-ddfe-4dda-b31d-f3b4e75fc5dc"
NUMBER = "+79001234567"
HERE = "203.0.113.7"
SENT = Reply(status=201, body=b'{"requestId": "d385ab22-0f51-4b97-9ecd-b8ff3fd4fcb6"}')


class Certificate(NamedTuple):
    """One of our own for the loopback; who trusts it has it as an authority."""

    public: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("certificate")
    public, private = folder / "public.pem", folder / "private.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=vendor.example.com -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {private} -out {public}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return Certificate(public, context)


@pytest.fixture
def vendors(certificate: Certificate) -> Iterator[Vendors]:
    with Vendors(certificate.context) as running:
        running.issue("solved")
        yield running


@pytest.fixture
def service() -> Iterator[FaultyServer]:
    with FaultyServer(lambda _: SENT) as running:
        yield running


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, certificate: Certificate) -> pytest.MonkeyPatch:
    """One that names no proxy and trusts the vendor."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.public))
    return monkeypatch


async def _send(kind: type[Client], api_url: str, vendors: Vendors) -> None:
    """A send whose captcha was solved, with a client that knows nobody yet."""
    captcha = Cloudflare(site_key="s", secret_key=SECRET, verify_url=vendors.url(CLOUDFLARE))
    twin = Twin(kind(api_url=api_url, api_token="t", captcha=captcha, max_retries=0))
    try:
        await twin("send", WIDGET, NUMBER, HERE, "solved")
    finally:
        await twin.close()


@pytest.mark.usefixtures("environment")
async def test_behind_a_service_without_tls(
    kind: type[Client], service: FaultyServer, vendors: Vendors
) -> None:
    await _send(kind, service.url, vendors)
    assert len(vendors.asked) == len(service.seen) == 1


async def test_a_vendor_that_cannot_prove_itself_is_not_asked(
    kind: type[Client],
    environment: pytest.MonkeyPatch,
    service: FaultyServer,
    vendors: Vendors,
) -> None:
    environment.delenv("SSL_CERT_FILE")
    with pytest.raises(CaptchaNotConfirmedException):
        await _send(kind, service.url, vendors)
    assert vendors.asked == []
    assert service.seen == []


async def test_the_services_proxy_is_not_the_vendors(
    kind: type[Client],
    environment: pytest.MonkeyPatch,
    service: FaultyServer,
    vendors: Vendors,
) -> None:
    environment.setenv("http_proxy", service.url)
    await _send(kind, "http://otp.example.com", vendors)
    assert len(vendors.asked) == 1
    assert [seen.target for seen in service.seen] == ["http://otp.example.com/api/n/otp-handler/"]


async def test_the_vendors_proxy_is_not_the_services(
    kind: type[Client],
    environment: pytest.MonkeyPatch,
    service: FaultyServer,
    vendors: Vendors,
) -> None:
    with FaultyServer(lambda _: Reply(status=502)) as proxy:
        environment.setenv("https_proxy", proxy.url)
        with pytest.raises(CaptchaNotConfirmedException):
            await _send(kind, service.url, vendors)
        assert [(seen.method, seen.target) for seen in proxy.seen] == [
            ("CONNECT", vendors.url("").removeprefix("https://"))
        ]
    assert vendors.asked == []
