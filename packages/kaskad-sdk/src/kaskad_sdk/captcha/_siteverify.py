"""The ``siteverify`` call, which Google made and Cloudflare copied."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from kaskad_sdk._steps import Asking
from kaskad_sdk.addresses import plain_address
from kaskad_sdk.captcha._asking import ask_vendor, error_codes, host_problem
from kaskad_sdk.captcha._verdicts import (
    Passed,
    Refused,
    Unavailable,
    Verdict,
    is_decent,
    spend_of,
)

_THEIR_FAULT: Final = frozenset({"internal-error"})
_OUR_FAULT: Final = frozenset({"missing-input-secret", "invalid-input-secret"})


def siteverify(
    provider: str,
    url: str,
    secret: str,
    token: str,
    *,
    address: str,
    now: datetime,
    hostnames: tuple[str, ...],
    action: str | None,
    min_score: float | None = None,
) -> Asking[Verdict]:
    """Judge a token by ``POST url`` with ``secret``, ``response``, ``remoteip``.

    The answer is ``{success, challenge_ts, hostname, action?, score?, "error-codes"?}``. What is
    wanted and not answered is refused.
    """
    if not is_decent(token):
        return Refused(reason="not a token")
    form = {"secret": secret, "response": token}
    known = plain_address(address)
    if known is not None:
        form["remoteip"] = known
    answer = yield from ask_vendor(url, form)
    if isinstance(answer, Refused | Unavailable):
        return answer
    problem = (
        _success_problem(answer)
        or host_problem(answer.get("hostname"), hostnames)
        or _action_problem(answer.get("action"), action)
        or _score_problem(answer.get("score"), min_score)
    )
    return problem or Passed(spend=spend_of(provider, token, now))


def _success_problem(answer: Mapping[str, object]) -> Refused | Unavailable | None:
    success = answer.get("success")
    if success is True:
        return None
    if success is not False:
        return Unavailable(reason="an answer without success")
    codes = error_codes(answer)
    if codes and _THEIR_FAULT.issuperset(codes):
        return Unavailable(reason=", ".join(codes))
    return Refused(reason=", ".join(codes) or "not solved", misset=bool(_OUR_FAULT & set(codes)))


def _action_problem(given: object, wanted: str | None) -> Refused | None:
    if wanted is None or given == wanted:
        return None
    return Refused(reason=f"solved for the action {str(given)[:64]!r}")


def _score_problem(given: object, least: float | None) -> Refused | None:
    if least is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return Refused(reason="no score")
    return None if given >= least else Refused(reason=f"a score of {given}")
