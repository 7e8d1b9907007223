"""What an operator copies into a page: the three ways to put the widget there."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from json import dumps
from urllib.parse import urlsplit

from kaskad.http.widget.built import DROP_IN, ELEMENT, Built

PAGE_CALLS = "/sdk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A way to embed the widget, as text to copy."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """The files, and the service's address as the pages' browsers know it."""

    built: Built
    base: str

    def snippets(self, widget_id: str, look: Mapping[str, str]) -> list[Snippet]:
        """The drop-in script, the element, and the module.

        ``look`` has further attributes of the element, such as ``locale`` and ``theme``.
        """
        element = self._element(widget_id, look)
        return [
            Snippet(name="script", text=self._drop_in(widget_id, look)),
            Snippet(name="element", text=f"{self._pinned(ELEMENT, kind='module')}\n{element}"),
            Snippet(name="module", text=f"{self._import()}\n{element}"),
        ]

    def _drop_in(self, widget_id: str, look: Mapping[str, str]) -> str:
        options = {"widgetId": widget_id, **look, **self._calls("apiUrl")}
        inner = "".join(f"\n    {key}: {_js(value)}," for key, value in options.items())
        return (
            f"<script>\n  window.OTP_WIDGETS = [{{{inner}\n  }}];\n</script>\n"
            f'<div id="otp-widget"></div>\n{self._pinned(DROP_IN)}'
        )

    def _import(self) -> str:
        return f'<script type="module">\n  import {_js(f"{self.base}/{ELEMENT}")};\n</script>'

    def _element(self, widget_id: str, look: Mapping[str, str]) -> str:
        attributes = {"widget-id": widget_id, **look, **self._calls("api-url")}
        inner = "".join(f'\n  {name}="{escape(value)}"' for name, value in attributes.items())
        return f"<kaskad-otp{inner}\n></kaskad-otp>"

    def _calls(self, name: str) -> dict[str, str]:
        """Without it the widget calls ``/sdk`` at the root of the host that its script is from."""
        return {name: self.base + PAGE_CALLS} if urlsplit(self.base).path else {}

    def _pinned(self, name: str, kind: str = "") -> str:
        how = f'type="{kind}"' if kind else "async"
        source = escape(f"{self.base}/widget/{self.built.hash}/{name}")
        integrity = self.built.files[name].integrity
        return (
            f'<script {how}\n  src="{source}"\n  integrity="{integrity}"\n'
            '  crossorigin="anonymous"></script>'
        )


def texts(built: Built, base: str, widget_id: str, look: Mapping[str, str]) -> dict[str, str]:
    """The snippets' texts by their names."""
    return {s.name: s.text for s in Embedding(built=built, base=base).snippets(widget_id, look)}


def element_of(built: Built) -> str | None:
    """The address of the element's script on this service; None while it is not built."""
    return f"/widget/{built.hash}/{ELEMENT}" if ELEMENT in built.files else None


def _js(text: str) -> str:
    """A string literal that may also stand inside a script element."""
    return dumps(text).replace("<", "\\u003c")
