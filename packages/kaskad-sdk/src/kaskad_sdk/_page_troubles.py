"""What pages are refused for the application's own sake: its log is told, pages cannot help it."""

import logging
from collections.abc import Callable
from typing import Final

from kaskad_sdk import _system, errors
from kaskad_sdk._page_send import kind_of
from kaskad_sdk._refusals import is_json
from kaskad_sdk._steps import Response

AGAIN_AFTER_S: Final = 60.0
MOST_KINDS: Final = 32

_OURS: Final = {
    errors.UnauthorizedException.type: "does not take the API token",
    errors.ForbiddenException.type: "does not let the API token use a widget that a page named",
    errors.NotFoundException.type: "has no such path: look at api_url",
    errors.MethodNotAllowedException.type: "has no such path: look at api_url",
}


def trouble_of(answer: Response) -> str | None:
    """What an answer says of the application's settings; ``None``: nothing."""
    kind = answer.headers.get("content-type", "")
    if not is_json(kind):
        what = kind.partition(";")[0].strip() or "no JSON"
        return f"answers {answer.status} with {what[:64]!r}, as kaskad never does: look at api_url"
    return _OURS.get(kind_of(answer) or "") if answer.status in (401, 403, 404, 405) else None


class Troubles:
    """Tells the log of troubles, of the same one once a minute: every page meets it."""

    def __init__(
        self, log: logging.Logger, base: str, *, clock: Callable[[], float] = _system.monotonic
    ) -> None:
        self._log = log
        self._base = base
        self._clock = clock
        self._told: dict[str, float] = {}

    def answered(self, answer: Response) -> None:
        """The service has answered."""
        trouble = trouble_of(answer)
        if trouble is not None:
            self._tell(f"{self._base} {trouble}")

    def lost(self, problem: errors.NoConnectionException) -> None:
        """It has not; that is no news where the client was closed."""
        if problem.address is not None:
            self._tell(str(problem))

    def _tell(self, text: str) -> None:
        now = self._clock()
        if now - self._told.get(text, float("-inf")) < AGAIN_AFTER_S:
            return
        if len(self._told) >= MOST_KINDS:
            self._told.clear()
        self._told[text] = now
        self._log.warning("pages cannot verify numbers: %s", text)
