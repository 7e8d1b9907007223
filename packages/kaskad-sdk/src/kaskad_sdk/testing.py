"""For the tests of an application: clients that talk to a service in the same process.

:class:`FakeOtpClient` and :class:`FakeAsyncOtpClient` have every method of the real clients and go
through the same code, up to the network. The fixtures ``otp_simulation``, ``otp_client`` and
``async_otp_client`` come with ``pytest_plugins = ["kaskad_sdk.pytest_plugin"]``.
:func:`check_counts` checks a store that a captcha's guard is given.
"""

from kaskad_sdk._async_client import AsyncOtpClient
from kaskad_sdk._counts_check import check_counts
from kaskad_sdk._simulated_session import SimulatedChannel
from kaskad_sdk._simulation import (
    PUSH,
    SMS,
    VOICE,
    SimulatedMessage,
    SimulatedWidget,
    Simulation,
)
from kaskad_sdk._sync_client import OtpClient
from kaskad_sdk.captcha import Captcha, Guard

__all__ = [
    "PUSH",
    "SMS",
    "VOICE",
    "FakeAsyncOtpClient",
    "FakeOtpClient",
    "SimulatedChannel",
    "SimulatedMessage",
    "SimulatedWidget",
    "Simulation",
    "check_counts",
]


class FakeOtpClient(OtpClient):
    """An :class:`~kaskad_sdk.OtpClient` to a simulation, a new one unless it is given.

    Codes differ from message to message; :meth:`last_code` tells them.
    """

    def __init__(
        self, simulation: Simulation | None = None, *, captcha: Guard | Captcha | None = None
    ) -> None:
        simulation = simulation or Simulation(code=None)
        super().__init__(environment="test", simulation=simulation, captcha=captcha)

    def last_code(self, phone: str) -> str:
        """The code of the newest message to a number; ``LookupError`` when there is none."""
        return self.simulation.last_code(phone)


class FakeAsyncOtpClient(AsyncOtpClient):
    """An :class:`~kaskad_sdk.AsyncOtpClient` to a simulation, a new one unless it is given.

    Codes differ from message to message; :meth:`last_code` tells them.
    """

    def __init__(
        self, simulation: Simulation | None = None, *, captcha: Guard | Captcha | None = None
    ) -> None:
        simulation = simulation or Simulation(code=None)
        super().__init__(environment="test", simulation=simulation, captcha=captcha)

    def last_code(self, phone: str) -> str:
        """The code of the newest message to a number; ``LookupError`` when there is none."""
        return self.simulation.last_code(phone)
