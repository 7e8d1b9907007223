"""The shared scenarios, on the fake, on a service in the process, and on a real one."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaskad_sdk import OtpClient
from tests.acceptance.harness import Kaskad
from tests.sdk.scenarios import SCENARIOS
from tests.sdk.twins import KINDS, Client
from tests.sdk.worlds import Fake, InProcess, Process, opened, real

# The service's own restart ends what others are waiting for.
ALONE = {"a_restart_in_the_middle"}

each_client = pytest.mark.parametrize("kind", KINDS, ids=["async", "sync"])
each_scenario = pytest.mark.parametrize("name", SCENARIOS)


@pytest.fixture
def number() -> str:
    """A number that nothing was sent to yet."""
    return f"+7900{secrets.randbelow(10**7):07}"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kaskad]:
    with real(tmp_path_factory.mktemp("kaskad")) as kaskad:
        yield kaskad


@each_client
@each_scenario
async def test_on_the_fake(kind: type[Client], name: str, number: str) -> None:
    async with opened(Fake(kind)) as world:
        await SCENARIOS[name](world, number)


@each_client
@each_scenario
async def test_in_the_process(kind: type[Client], name: str, number: str) -> None:
    if kind is OtpClient and name == "a_client_that_closes":
        pytest.skip("a blocking HTTP client of the application's is not ours to cut off")
    async with opened(InProcess(kind)) as world:
        await SCENARIOS[name](world, number)


@pytest.mark.acceptance
@pytest.mark.untraced
@each_client
@each_scenario
async def test_on_a_real_service(
    kind: type[Client], name: str, number: str, shared: Kaskad, tmp_path: Path
) -> None:
    if name not in ALONE:
        async with opened(Process(kind, shared)) as world:
            await SCENARIOS[name](world, number)
        return
    with real(tmp_path) as kaskad:
        async with opened(Process(kind, kaskad)) as world:
            await SCENARIOS[name](world, number)
