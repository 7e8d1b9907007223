"""Who is calling: bearer tokens, looked up by their hash in memory."""

from datetime import datetime
from functools import lru_cache

from kaskad.app.ports import ApiToken, Catalog, Clock
from kaskad.app.tokens import hash_token, looks_valid


class Callers:
    """Knows tokens, and when each was last used."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._used: dict[str, datetime] = {}

    def identify(self, token: str) -> ApiToken | None:
        """The token's record, if it is known and neither revoked nor expired."""
        hashed = _hash(token)
        known = self._catalog.snapshot.tokens.get(hashed) if hashed else None
        now = self._clock.now()
        if known is None or not known.valid_at(now):
            return None
        self._used[known.id] = now
        return known

    async def flush(self) -> None:
        """Remember the last uses."""
        used, self._used = self._used, {}
        if used:
            await self._catalog.note_token_use(used)


@lru_cache(maxsize=256)
def _hash(token: str) -> bytes | None:
    """What the catalogue may know the token by."""
    return hash_token(token) if looks_valid(token) else None
