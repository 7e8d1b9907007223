"""Judges of captchas, loaded when the first token is judged: who has no captcha pays for none."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kaskad.app.ports import Clock, Entropy, Judgement
from kaskad.core.model import CaptchaProvider, Widget

if TYPE_CHECKING:
    from kaskad.captchas.sdk import SdkCaptchas


class LazyCaptchas:
    """:class:`kaskad.app.ports.Captchas` for every kind that the SDK knows."""

    def __init__(self, secret_keys: Sequence[bytes], clock: Clock, entropy: Entropy) -> None:
        self._keys = tuple(secret_keys)
        self._clock = clock
        self._entropy = entropy
        self._judges: SdkCaptchas | None = None

    async def judge(self, widget: Widget, token: str, address: str) -> Judgement:
        """What a token is worth; asks the vendor, if there is one, for at most 8 seconds."""
        return await (await self._loaded()).judge(widget, token, address)

    async def challenge(self, widget: Widget) -> Mapping[str, object] | None:
        """A new challenge of a captcha that we host; ``None`` for those of vendors."""
        if widget.captcha is None or widget.captcha.provider is not CaptchaProvider.ALTCHA:
            return None
        return (await self._loaded()).challenge(widget)

    async def close(self) -> None:
        """Let go of connections to vendors."""
        if self._judges is not None:
            await self._judges.close()

    async def _loaded(self) -> "SdkCaptchas":
        if self._judges is not None:
            return self._judges
        # No other call waits for the imports.
        kind = _load() if _IS_HERE in sys.modules else await asyncio.to_thread(_load)
        known: SdkCaptchas | None = self._judges  # another call may have been faster
        self._judges = known or kind(self._keys, self._clock, self._entropy)
        return self._judges


_IS_HERE = "kaskad.captchas.sdk"


def _load() -> "type[SdkCaptchas]":
    from kaskad.captchas.sdk import SdkCaptchas  # noqa: PLC0415

    return SdkCaptchas
