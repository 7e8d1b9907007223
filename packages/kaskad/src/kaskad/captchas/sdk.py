"""Captchas by the rules of the SDK, with vendors asked over HTTP."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import aiohttp

from kaskad.app.ports import Clock, Entropy, Finding, Judgement
from kaskad.core.model import Captcha, CaptchaProvider, Widget
from kaskad_sdk import captcha as sdk

CONNECT_S: Final = 2.0
TOTAL_S: Final = 8.0
LARGEST_ANSWER: Final = 64 * 1024
SALT_BYTES: Final = 16

_UNENCODED: Final = {"accept-encoding": "identity"}
"""So that what is read is as large as what was sent."""


class SdkCaptchas:
    """See :class:`kaskad.app.ports.Captchas`."""

    def __init__(
        self,
        secret_keys: Sequence[bytes],
        clock: Clock,
        entropy: Entropy,
        *,
        total_s: float = TOTAL_S,
    ) -> None:
        self._keys = tuple(secret_keys)
        self._total_s = total_s
        self._clock = clock
        self._entropy = entropy
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return "SdkCaptchas()"

    async def judge(self, widget: Widget, token: str, address: str) -> Judgement:
        """What a token is worth."""
        verdict: sdk.Verdict = sdk.Refused(reason="no captcha")
        for captcha in self._kinds(widget):
            verdict = await self._carried_out(captcha, token, address)
            if not isinstance(verdict, sdk.Refused):
                break
        return _judgement(verdict)

    def challenge(self, widget: Widget) -> Mapping[str, object]:
        """A new challenge of the widget's Altcha."""
        [captcha, *_] = self._altchas(widget)
        return captcha.challenge(self._clock.now(), self._entropy.token(SALT_BYTES))

    async def close(self) -> None:
        """Let go of the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # --- kinds --------------------------------------------------------------------

    def _kinds(self, widget: Widget) -> Sequence[sdk.Captcha]:
        """The widget's captcha, once for each key that its tokens may have been made with."""
        captcha = widget.captcha
        if captcha is None:
            return ()
        if captcha.provider is CaptchaProvider.ALTCHA:
            return self._altchas(widget)
        return (_vendor(captcha),)

    def _altchas(self, widget: Widget) -> list[sdk.Altcha]:
        captcha = widget.captcha
        if captcha is None:
            return []
        return [
            sdk.Altcha(hmac_key=key, max_number=captcha.max_number, lifetime_s=captcha.lifetime_s)
            for key in self._altcha_keys(widget, captcha)
        ]

    def _altcha_keys(self, widget: Widget, captcha: Captcha) -> list[bytes]:
        """Its own key, or one from each of the server's; the first makes the challenges."""
        if captcha.secret_key:
            return [captcha.secret_key.encode()]
        purpose = f"altcha\x1f{widget.tenant}\x1f{widget.id}".encode()
        return [hmac.digest(key, purpose, "sha256") for key in self._keys]

    # --- asking vendors -----------------------------------------------------------

    async def _carried_out(self, captcha: sdk.Captcha, token: str, address: str) -> sdk.Verdict:
        """Judge a token, making the requests that this takes."""
        flow = captcha.verify(token, address=address, now=self._clock.now())
        try:
            request = next(flow)
            while True:
                try:
                    response = await self._ask(request)
                except sdk.NoAnswer as lost:
                    request = flow.throw(lost)
                else:
                    request = flow.send(response)
        except StopIteration as end:
            verdict: sdk.Verdict = end.value
            return verdict

    async def _ask(self, request: sdk.Request) -> sdk.Response:
        try:
            async with self._client().request(
                request.method,
                request.url,
                data=request.body,
                headers={**request.headers, **_UNENCODED},
                allow_redirects=False,
            ) as response:
                body = await _bounded(response.content)
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            # Its text may hold what was sent: only its name is told.
            raise sdk.NoAnswer(type(failure).__name__, sent=True) from None
        if body is None:
            raise sdk.NoAnswer(f"an answer of more than {LARGEST_ANSWER} bytes", sent=True)
        return sdk.Response(status=response.status, body=body)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            times = aiohttp.ClientTimeout(
                total=self._total_s, connect=CONNECT_S, sock_connect=CONNECT_S
            )
            self._session = aiohttp.ClientSession(
                timeout=times, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._session


async def _bounded(content: aiohttp.StreamReader) -> bytes | None:
    """A whole body of a decent size."""
    read = b""
    while part := await content.read(LARGEST_ANSWER):
        read += part
        if len(read) > LARGEST_ANSWER:
            return None
    return read


def _vendor(captcha: Captcha) -> sdk.Captcha:
    """The vendor's captcha, with the keys of this one."""
    keys = {"site_key": captcha.site_key, "secret_key": captcha.secret_key}
    elsewhere = {"verify_url": captcha.verify_url} if captcha.verify_url else {}
    hosts = captcha.hostnames
    match captcha.provider:
        case CaptchaProvider.GOOGLE:
            scored = captcha.version == _WITH_SCORE
            return sdk.Google(
                **keys,
                **elsewhere,
                hostnames=hosts,
                version=3 if scored else 2,
                min_score=captcha.min_score if scored else None,
                action=captcha.action,
            )
        case CaptchaProvider.YANDEX:
            return sdk.Yandex(**keys, **elsewhere, hostnames=hosts)
        case _:
            return sdk.Cloudflare(**keys, **elsewhere, hostnames=hosts, action=captcha.action)


_WITH_SCORE = 3


def _judgement(verdict: sdk.Verdict) -> Judgement:
    match verdict:
        case sdk.Passed(spend=spend):
            key, until = (spend.key, spend.until) if spend else ("", None)
            return Judgement(finding=Finding.PASSED, key=key, until=until)
        case sdk.Unavailable(reason=reason):
            return Judgement(finding=Finding.UNAVAILABLE, reason=reason)
        case sdk.Refused(reason=reason, misset=misset):
            return Judgement(finding=Finding.REFUSED, reason=reason, misset=misset)
        case _:
            assert_never(verdict)
