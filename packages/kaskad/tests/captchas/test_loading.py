"""A service without captchas loads nothing for them, and one with them the rules alone."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys
from kaskad import running
from kaskad.captchas import LazyCaptchas
from kaskad.core.model import Captcha, CaptchaProvider, Widget
from kaskad.testing import FakeClock, FakeEntropy

def loaded():
    return [name for name in ("aiohttp", "kaskad_sdk") if name in sys.modules]

async def main():
    captchas = LazyCaptchas([b"k" * 32], FakeClock(), FakeEntropy())
    plain = Widget(id="w", tenant="t", name="n")
    assert await captchas.challenge(plain) is None
    print(loaded())
    own = Widget(id="w", tenant="t", name="n", captcha=Captcha(provider=CaptchaProvider.ALTCHA))
    found = await asyncio.gather(*(captchas.challenge(own) for _ in range(5)))
    assert all(found)
    print(loaded())
    await captchas.close()

asyncio.run(main())
"""


def test_captchas_are_loaded_when_the_first_is_needed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["[]", "['aiohttp', 'kaskad_sdk']"]
