"""The built wheel, in an environment that has nothing but its one dependency."""

import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance

PACKAGE = Path(__file__).parents[2] / "packages" / "kaskad-sdk"
PROGRAM = """
from kaskad_sdk import OtpClient, InvalidCodeException
from kaskad_sdk.webhooks import Webhook, new_secret
import kaskad_sdk.captcha, kaskad_sdk.testing, asyncio
with OtpClient(environment="test") as client:
    sent = client.send("123634df-ddfe-4dda-b31d-f3b4e75fc5dc", "+79001234567")
    assert client.verify_code(sent.request_id, "123456").success
    assert client.check_status_and_complete(sent.request_id, "+79001234567").success
try:
    with OtpClient(api_url="http://127.0.0.1:1", api_token="t", max_retries=0) as client:
        client.get_channel("x")
except kaskad_sdk.NoConnectionException:
    print("works", kaskad_sdk.__version__)
"""


def closure(name: str, found: dict[str, Path]) -> dict[str, Path]:
    """A distribution with everything that it needs, and where each is installed."""
    from packaging.requirements import Requirement

    dist = distribution(name)
    found[name.lower().replace("_", "-")] = Path(str(dist.locate_file("")))
    for line in dist.requires or ():
        need = Requirement(line)
        wanted = need.marker is None or need.marker.evaluate({"extra": ""})
        if wanted and need.name.lower().replace("_", "-") not in found:
            closure(need.name, found)
    return found


def test_it_installs_and_works_with_one_dependency(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    build += ["--no-build-isolation", "--disable-pip-version-check", "--wheel-dir"]
    subprocess.run([*build, str(tmp_path), str(PACKAGE)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("kaskad_sdk-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "kaskad_sdk/py.typed" in archive.namelist()
        assert not [n for n in archive.namelist() if "tests" in n]

    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in closure("httpx2", {}):
        copy_distribution(name, site)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COVERAGE", "COV_"))}
    done = subprocess.run(
        [str(home / "bin" / "python"), "-I", "-W", "error", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert done.stdout.startswith("works "), done.stderr
    assert "kaskad" not in {p.name for p in site.iterdir()}


def copy_distribution(name: str, site: Path) -> None:
    """Its files, as the installer recorded them."""
    dist = distribution(name)
    for file in dist.files or ():
        source = Path(str(dist.locate_file(file)))
        if ".." not in file.parts and source.is_file() and "__pycache__" not in file.parts:
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
