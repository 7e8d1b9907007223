"""What Altcha in a page makes of a challenge."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from json import dumps
from typing import Any


def solved(challenge: Mapping[str, Any]) -> str:
    """The token, after all the work."""
    kept = {name: text for name, text in challenge.items() if name != "maxnumber"}
    for number in range(challenge["maxnumber"] + 1):
        if sha256(f"{kept['salt']}{number}".encode()).hexdigest() == kept["challenge"]:
            return b64encode(dumps({**kept, "number": number}).encode()).decode()
    raise AssertionError("it has no solution")
