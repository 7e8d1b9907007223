"""Google reCAPTCHA: https://developers.google.com/recaptcha/docs/verify"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, Literal

from kaskad_sdk._steps import Asking
from kaskad_sdk.captcha._asking import check_settings
from kaskad_sdk.captcha._siteverify import siteverify
from kaskad_sdk.captcha._verdicts import Verdict

LEAST_SCORE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Google:
    """Google reCAPTCHA, v2 (checkbox or invisible) or v3 (score).

    ``min_score`` (0 to 1, 0.5 unless it is given) and ``action`` are v3's: an answer without a
    score, or for another action, is refused. ``hostnames`` are the sites on which the captcha may
    have been solved; empty: any that the key allows. A token is valid once, for two minutes.
    """

    provider: ClassVar[str] = "google"

    site_key: str
    secret_key: str = field(repr=False)
    version: Literal[2, 3] = 2
    min_score: float | None = None
    action: str | None = None
    hostnames: tuple[str, ...] = ()
    verify_url: str = "https://www.google.com/recaptcha/api/siteverify"

    def __post_init__(self) -> None:
        """Raises :class:`ValueError` or :class:`TypeError` for what could never work."""
        check_settings(site_key=self.site_key, secret_key=self.secret_key, hostnames=self.hostnames)
        if self.version not in {2, 3}:
            raise ValueError("the version of reCAPTCHA is 2 or 3")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ValueError("min_score is from 0 to 1")
        if self.version == 2 and (self.action, self.min_score) != (None, None):  # noqa: PLR2004
            raise ValueError("reCAPTCHA v2 knows no action and no min_score; add version=3")

    def verify(self, token: str, *, address: str, now: datetime) -> Asking[Verdict]:
        """Judge a token by ``siteverify``."""
        return siteverify(
            self.provider,
            self.verify_url,
            self.secret_key,
            token,
            address=address,
            now=now,
            hostnames=self.hostnames,
            action=self.action,
            min_score=self._least_score,
        )

    @property
    def _least_score(self) -> float | None:
        if self.version == 2:  # noqa: PLR2004
            return None
        return LEAST_SCORE if self.min_score is None else self.min_score
