"""Web pages as callers: they have no token, and see what their origin lets them see.

An origin is no proof of anything, since everything but a browser can claim any.
It keeps the pages of others out; limits are what keeps everybody else in bounds.
"""

from kaskad.app.addresses import address_subject
from kaskad.app.ports import Catalog, Snapshot
from kaskad.core.model import Session, Value, Widget

UNGUESSABLE = 22
"""How long a page's idempotency key is, if it may be random: 128 bits in Base64."""

_NONE: frozenset[str] = frozenset()


class Page(Value, frozen=True, kw_only=True):
    """A page that calls, of whatever tenant.

    ``address`` is the person's. ``published`` are the widgets that pages may use
    at all, ``allowed`` those of them that this one may.
    """

    address: str
    published: frozenset[str]
    allowed: frozenset[str]

    tenant = ""
    actor = "page"

    @property
    def id(self) -> str:
        """Whose unknown ids are counted."""
        return f"page:{self.owner}"

    @property
    def owner(self) -> str:
        """Whose places held calls take."""
        return address_subject(self.address) or self.address

    def owner_of(self, key: str) -> str:
        """Whose an idempotency key is: whoever knows it, if nobody can guess it.

        A phone that loses an answer with its network asks again from another address.
        """
        return "page" if len(key) >= UNGUESSABLE else self.id

    def knows(self, thing: Widget | Session) -> bool:
        """Whether it exists for this page: a widget is public, a session is its own pages'."""
        if isinstance(thing, Widget):
            return thing.id in self.published
        return thing.widget in self.allowed

    def may_use(self, widget: str) -> bool:
        """Whether the widget lets pages of this origin use it."""
        return widget in self.allowed


class Pages:
    """Knows which origins may use which widgets, as they are configured now."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._snapshot: Snapshot | None = None
        self._published = _NONE
        self._by_origin: dict[str, frozenset[str]] = {}

    def page(self, origin: str | None, address: str) -> Page:
        """The page that calls; without an origin it may use every published widget.

        Browsers leave the origin out when a page reads from where it came from.
        """
        self._follow()
        allowed = self._published if origin is None else self._by_origin.get(origin, _NONE)
        return Page(address=address, published=self._published, allowed=allowed)

    def _follow(self) -> None:
        snapshot = self._catalog.snapshot
        if snapshot is self._snapshot:
            return
        found: dict[str, set[str]] = {}
        for widget in snapshot.widgets.values():
            for origin in widget.allowed_origins:
                found.setdefault(origin, set()).add(widget.id)
        self._by_origin = {origin: frozenset(widgets) for origin, widgets in found.items()}
        self._published = _NONE.union(*self._by_origin.values())
        self._snapshot = snapshot
