"""Everything that can happen to a session. Each input is one frozen value."""

from kaskad.core.model import CodeType, ReportKind, Value


class Accepted(Value, frozen=True, kw_only=True, tag=True):
    """The provider took the message of a launch.

    ``code`` are digits that the provider chose itself, ``code_type`` what it
    turned the launch into; ``None`` leaves both as they were.
    """

    launch: int
    code_type: CodeType | None = None
    code: str | None = None

    def __repr__(self) -> str:
        return f"Accepted(launch={self.launch})"


class Rejected(Value, frozen=True, kw_only=True, tag=True):
    """The provider refused for good: another try would be refused as well."""

    launch: int
    reason: str = ""


class Errored(Value, frozen=True, kw_only=True, tag=True):
    """The message could not be handed over, however often it was tried."""

    launch: int
    reason: str = ""


class Unsure(Value, frozen=True, kw_only=True, tag=True):
    """The provider may have taken the message: only a report can tell."""

    launch: int
    reason: str = ""


class Reported(Value, frozen=True, kw_only=True, tag=True):
    """A provider's word on a message after it was handed over."""

    launch: int
    kind: ReportKind
    reason: str = ""


class Turned(Value, frozen=True, kw_only=True, tag=True):
    """The provider changed a running launch between code and codeless."""

    launch: int
    code_type: CodeType


class CheckCode(Value, frozen=True, kw_only=True, tag=True):
    """Somebody typed a code."""

    code: str

    def __repr__(self) -> str:
        return "CheckCode(code=...)"


class Resend(Value, frozen=True, kw_only=True, tag=True):
    """Somebody asked for another message; ``next`` for another way."""

    next: bool = False


class Complete(Value, frozen=True, kw_only=True, tag=True):
    """The back end collects the verdict."""


class CheckAndComplete(Value, frozen=True, kw_only=True, tag=True):
    """The back end collects the verdict and wants to know why there is none."""


class Cancel(Value, frozen=True, kw_only=True, tag=True):
    """The person gives up this number."""


class Tick(Value, frozen=True, kw_only=True, tag=True):
    """Time has passed; a deadline of the session may be due."""


Input = (
    Accepted
    | Rejected
    | Errored
    | Unsure
    | Reported
    | Turned
    | CheckCode
    | Resend
    | Complete
    | CheckAndComplete
    | Cancel
    | Tick
)
