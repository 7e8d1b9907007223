"""The ``kaskad`` command."""

from kaskad.cli import apply as _apply  # noqa: F401  # registers itself
from kaskad.cli import embed as _embed  # noqa: F401
from kaskad.cli import inspect as _inspect  # noqa: F401
from kaskad.cli import jobs as _jobs  # noqa: F401
from kaskad.cli import serve as _serve  # noqa: F401
from kaskad.cli import token as _token  # noqa: F401
from kaskad.cli import version as _version  # noqa: F401
from kaskad.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; exits with 0, or 2 when the operator has something to put right."""
    app()
