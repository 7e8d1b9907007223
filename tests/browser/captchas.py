"""The captchas of others as a visitor's browser meets them, at their own addresses."""

import itertools
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import FrameLocator, Route, expect

from tests.browser.visitor import Visitor

FOLDER = Path(__file__).parent / "vendors"

# Their hosts and paths, and what is found there; anything else is a frame of the captcha.
SCRIPTS = {
    "www.google.com/recaptcha/api.js": "google.js",
    "www.gstatic.com/recaptcha/releases/x1/recaptcha__en.js": "google-rest.js",
    "www.gstatic.com/recaptcha/releases/x1/recaptcha__ru.js": "google-rest.js",
    "smartcaptcha.yandexcloud.net/captcha.js": "yandex.js",
    "challenges.cloudflare.com/turnstile/v0/api.js": "cloudflare.js",
}
HOSTS = sorted({address.partition("/")[0] for address in SCRIPTS})

# What the frame tells the script around it when somebody presses the button in it.
FRAME = """<!doctype html><title>captcha</title><button>I am not a robot</button><script>
  const news = NEWS;
  // Vendors ask their servers first: the frame is not taken away while it is being pressed.
  const tell = () =>
    setTimeout(() => parent.postMessage(news.length > 1 ? news.shift() : news[0], "*"), 100);
  if (UNSEEN) tell();
  else document.querySelector("button").onclick = tell;
</script>"""

tokens = itertools.count(1)


class Captchas:
    """Scripts and frames of the vendors, as one visitor gets them.

    ``blocked`` lets nothing through to them. Each frame plays the next of ``moods``, then solves:
    ``failed`` reports an error, ``refused`` brings a token that the vendor does not know any more,
    ``expired`` is too late with the first answer and takes the second.
    """

    def __init__(self, visitor: Visitor) -> None:
        self.blocked = False
        self.moods: list[str] = []
        self.asked: list[str] = []
        self._visitor = visitor
        visitor.hosts |= set(HOSTS)
        visitor.page.route(re.compile(f"^https://({'|'.join(HOSTS)})/"), self._serve)

    def _serve(self, route: Route) -> None:
        self.asked.append(route.request.url)
        parts = urlsplit(route.request.url)
        name = SCRIPTS.get(parts.netloc + parts.path)
        if self.blocked:
            route.abort()
        elif name:
            route.fulfill(path=FOLDER / name, content_type="text/javascript")
        else:
            unseen = parts.path.endswith("/score")
            news = self._news(parse_qs(parts.query).get("action"))
            text = FRAME.replace("NEWS", json.dumps(news)).replace("UNSEEN", json.dumps(unseen))
            route.fulfill(body=text, content_type="text/html")

    def _news(self, action: list[str] | None) -> list[dict[str, str]]:
        mood = self.moods.pop(0) if self.moods else "solved"
        token = f"token-{next(tokens)}"
        told: dict[str, Any] = {"action": action[0], "score": 0.9} if action else {}
        if mood != "refused":
            self._visitor.stage.vendors.issue(token, **told)
        solved = {"event": "solved", "token": token}
        return {"failed": [{"event": "failed"}], "expired": [{"event": "expired"}, solved]}.get(
            mood, [solved]
        )

    @property
    def frame(self) -> FrameLocator:
        """The captcha that is drawn in the form."""
        return self._visitor.form.frame_locator("[slot=captcha] iframe")

    def solve(self) -> None:
        """Press the button."""
        button = self.frame.get_by_role("button")
        expect(button).to_be_visible()
        button.dispatch_event("click")
