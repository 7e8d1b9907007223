"""The captcha before a send: who needs none, who has solved one, and who comes back with one."""

from collections.abc import Mapping
from datetime import timedelta

import structlog
from msgspec.structs import replace

from kaskad.app.addresses import address_subject
from kaskad.app.engine import Engine, Memo
from kaskad.app.ports import Captchas, Finding, Judgement, Telemetry
from kaskad.core.admission import Admission, Free, Solved, Waved, free_subject, free_windows
from kaskad.core.errors import CaptchaNotConfirmedException, RateLimitException
from kaskad.core.limits import DAY, HOUR, MINUTE, Window
from kaskad.core.model import Captcha, Session, Widget
from kaskad.core.session import Start

log = structlog.get_logger()

JUDGED = (Window(limit=60, span=MINUTE),)


class Gate:
    """Starts sessions of widgets with a captcha.

    That a send was free, or its token new, is decided in the step that stores
    the session: exact however many come at once, and a refused send costs nothing.
    Vendors are asked before that step, never within it.
    """

    def __init__(self, engine: Engine, captchas: Captchas, telemetry: Telemetry) -> None:
        self._engine = engine
        self._captchas = captchas
        self._telemetry = telemetry

    async def is_required(self, widget: Widget, user_ip: str | None) -> bool:
        """Whether a send of somebody at that address needs a captcha, as far as is known."""
        captcha = widget.captcha
        if captcha is None:
            return False
        address = None if user_ip is None else address_subject(user_ip)
        if address is None or captcha.first_free_requests_per_ip == 0:
            return True
        subject = self._engine.blind(widget.tenant, free_subject(address))
        windows = free_windows(captcha.first_free_requests_per_ip)
        now = self._engine.clock.now()
        return await self._engine.store.wait(subject, windows, now) is not None

    async def challenge(self, widget: Widget) -> Mapping[str, object] | None:
        """A new challenge for a page; ``None`` when the widget's captcha has none of ours."""
        return await self._captchas.challenge(widget)

    async def start(
        self, begin: Start, captcha: Captcha, token: str | None, user_ip: str, memo: Memo | None
    ) -> Session:
        """Begin a session free of a captcha, or else by the token.

        Raises what :meth:`Engine.start` raises; a token is looked at only if it is needed.
        """
        limit = captcha.first_free_requests_per_ip
        if limit > 0 and begin.address is not None:
            try:
                return await self._engine.start(replace(begin, admission=Free(limit=limit)), memo)
            except CaptchaNotConfirmedException:
                if not token:
                    raise
        self._engine.foresee(begin)  # what cannot begin anyhow uses no token up
        admission = await self._admission(begin, captcha, token, user_ip)
        return await self._engine.start(replace(begin, admission=admission), memo)

    async def _admission(
        self, begin: Start, captcha: Captcha, token: str | None, user_ip: str
    ) -> Admission:
        if not token:
            raise CaptchaNotConfirmedException
        await self._count(begin)
        judgement = await self._captchas.judge(begin.widget, token, user_ip)
        self._note(captcha, judgement)
        match judgement.finding:
            case Finding.PASSED:
                return Solved(token=judgement.key, span=self._validity(judgement))
            case Finding.UNAVAILABLE if captcha.fail_open:
                return Waved()
            case _:
                raise CaptchaNotConfirmedException

    async def _count(self, begin: Start) -> None:
        """Vendors are not to be flooded through us: an address may try so many tokens."""
        if begin.address is None:
            return
        subject = self._engine.blind(begin.widget.tenant, f"judged:{begin.address}")
        wait = await self._engine.store.take(subject, JUDGED, self._engine.clock.now())
        if wait is not None:
            raise RateLimitException(retry_after_s=wait)

    def _note(self, captcha: Captcha, judgement: Judgement) -> None:
        provider, finding = captcha.provider.value, judgement.finding
        self._telemetry.judged(provider, finding.value)
        if finding is Finding.UNAVAILABLE:
            log.warning("captcha unavailable", provider=provider, reason=judgement.reason)
        elif finding is Finding.REFUSED:
            tell = log.warning if judgement.misset else log.info
            tell("captcha refused", provider=provider, reason=judgement.reason)

    def _validity(self, judgement: Judgement) -> timedelta:
        """How long the token has to be remembered, as the stores count it."""
        if judgement.until is None:
            return DAY
        return HOUR if judgement.until - self._engine.clock.now() <= HOUR else DAY
