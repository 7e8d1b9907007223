"""What a driver returned, before anybody acts on it."""

import msgspec

from kaskad.app.ports import Busy, Refusal, SendResult, Taken, Unknown
from kaskad.core import codes


def understood(returned: object) -> SendResult:
    """The result, if it is one in every part; else that nobody knows.

    A provider's words reach us through its driver, so they may be anything. The
    message may be with the person all the same: trying again could send it twice.
    """
    if type(returned) is Taken and _says_nothing(returned):
        return returned  # as nearly all do
    if not isinstance(returned, Taken | Refusal | Busy | Unknown):
        return Unknown(reason=f"not understood: {type(returned).__name__}")
    try:
        result = msgspec.convert(msgspec.structs.asdict(returned), type(returned))
    except msgspec.ValidationError as problem:
        return Unknown(reason=f"not understood: {problem}")
    if isinstance(result, Taken) and result.code is not None and not codes.is_code(result.code):
        return Unknown(reason="not understood: a code that nobody could type")
    return returned


def _says_nothing(taken: Taken) -> bool:
    return taken.code is None and taken.code_type is None and type(taken.provider_id) is str
