"""The page that shows the SDK does what it says, as it is printed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaskad_sdk import OtpException
from kaskad_sdk._simulation import Simulation
from kaskad_sdk.testing import FakeOtpClient
from packages.kaskad.tests.docs import markdown
from packages.kaskad.tests.docs.walking import files_of
from tests.acceptance.harness import WIDGET, Kaskad

PAGE = markdown.DOCS / "howto" / "sdk.md"
FILES = dict(files_of(PAGE))
NUMBER = "+79001234567"


@pytest.fixture
def kaskad(tmp_path: Path) -> Iterator[Kaskad]:
    with Kaskad(tmp_path) as service:
        yield service


def run(
    kaskad: Kaskad, name: str, *, typed: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    script = kaskad.folder / name
    script.write_text(FILES[name])
    env = {
        **os.environ,
        "OTP_URL": kaskad.url,
        "OTP_TOKEN": kaskad.token,
        "OTP_WIDGET": WIDGET,
        **more,
    }
    return subprocess.run(
        [sys.executable, str(script)],
        env=env,
        input=typed,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_the_page_is_sdk_md() -> None:
    assert PAGE.name == "sdk.md"
    assert set(FILES) == {"verify.py", "wait.py", "test_sign_in.py"}
    code = FILES["verify.py"].splitlines()[1:]
    assert len([line for line in code if line.strip()]) <= 15


@pytest.mark.acceptance
def test_the_whole_flow(kaskad: Kaskad) -> None:
    script = kaskad.folder / "verify.py"
    script.write_text(FILES["verify.py"])
    env = {**os.environ, "OTP_URL": kaskad.url, "OTP_TOKEN": kaskad.token, "OTP_WIDGET": WIDGET}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, str(script)], env=env, stdin=pipe, stdout=pipe, text=True
    ) as person:
        kaskad.until(lambda: bool(kaskad.messages(NUMBER)))
        out, _ = person.communicate(kaskad.messages(NUMBER)[-1]["code"] + "\n", timeout=60)
    assert out == f"SMS: verified {NUMBER}\n"
    assert run(kaskad, "verify.py", typed="000000\n").stdout.endswith("The code is wrong\n")


@pytest.mark.acceptance
def test_the_wait(kaskad: Kaskad) -> None:
    request_id = kaskad.send(NUMBER)
    code = kaskad.code(request_id)
    assert kaskad.post(f"/{request_id}/checkCode", {"code": code}).status_code == 201
    for printed in ("True\n",):
        assert run(kaskad, "wait.py", REQUEST_ID=request_id, NUMBER=NUMBER).stdout == printed


def test_the_tests_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "test_sign_in.py").write_text(FILES["test_sign_in.py"])
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["kaskad_sdk.pytest_plugin"]\n')
    (tmp_path / "test_fixtures.py").write_text(
        "async def test_them(otp_simulation, otp_client, async_otp_client):\n"
        f"    sent = await async_otp_client.send('{WIDGET}', '{NUMBER}')\n"
        "    code = otp_simulation.last_code('8 (900) 123-45-67')\n"
        "    assert otp_client.verify_code(sent.request_id, code)\n"
        f"    assert otp_client.last_code('{NUMBER}') == code\n"
    )
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_mode=auto",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr


FATES = {
    "+79990000001": "NoAvailableChannelsException",
    "+79990000002": "voice sent",
    "+79990000003": "sim_push sent",
    "+79990000004": "sim_push confirmed",
    "+79990000005": "NoAvailableChannelsException",
    "+79990000006": "ResendChannelException",
    "+79990000007": "ResendChannelException",
    "+79990000008": "NoAvailableChannelsException",
}


@pytest.mark.parametrize("number", FATES)
def test_numbers_with_a_fate(number: str) -> None:
    assert f"| `{number}` |" in PAGE.read_text()
    assert set(Simulation().fates) == set(FATES)
    otp = FakeOtpClient()
    try:
        sent = otp.send(WIDGET, number)
        otp.simulation.advance(11)
        channel = otp.get_channel(sent.request_id)
        found = f"{channel.type} {channel.status}"
    except OtpException as error:
        found = error.type
    assert found == FATES[number]
