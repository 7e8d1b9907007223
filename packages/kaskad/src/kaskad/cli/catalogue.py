"""The catalogue as commands open it: without watching, for as long as the command runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kaskad.app.ports import Clock
from kaskad.config import ServerSettings
from kaskad.stores.catalog import SqlCatalog
from kaskad.system import SystemEntropy


@asynccontextmanager
async def opened(settings: ServerSettings, clock: Clock) -> AsyncIterator[SqlCatalog]:
    """The catalogue of these settings; closed at the end."""
    catalog = await SqlCatalog.open(
        settings.database_url, settings.keys, clock=clock, entropy=SystemEntropy(), watch=False
    )
    try:
        yield catalog
    finally:
        await catalog.close()
