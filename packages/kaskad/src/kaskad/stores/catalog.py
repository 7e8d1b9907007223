"""The catalogue: what is configured, kept in SQL, read from memory."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Self

import msgspec
import structlog
from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kaskad.app import tokens as token_format
from kaskad.app.ports import ApiToken, Clock, Entropy, Snapshot
from kaskad.config import Declared
from kaskad.stores import _rows, _token_rules, tables
from kaskad.stores._database import (
    CatalogError,
    Database,
    UnknownTenantError,
    explained,
    open_database,
)
from kaskad.stores._differences import Difference
from kaskad.stores._plan import plan
from kaskad.stores._token_rules import TokenError
from kaskad.stores._writes import Transaction
from kaskad.stores.sealed import Sealer, SealError

__all__ = ["CatalogError", "Difference", "SqlCatalog", "TokenError", "UnknownTenantError"]

BUSY_TIMEOUT_S = 5.0
POLL_S = 0.25

_log = structlog.get_logger("kaskad.catalog")

Listener = Callable[[Snapshot], None]


class SqlCatalog:
    """The configuration of every tenant, with a snapshot that follows the database.

    Changes of other processes are noticed by ``PRAGMA data_version`` on a held
    connection. While the database cannot be read, the last snapshot stays.
    """

    def __init__(self, database: Database, sealer: Sealer, clock: Clock, entropy: Entropy) -> None:
        """Use :meth:`open`."""
        self._database = database
        self._sealer = sealer
        self._clock = clock
        self._entropy = entropy
        self._snapshot = Snapshot(revision=-1)
        self._listeners: list[Listener] = []
        self._reloading = asyncio.Lock()
        self._closing = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self._held: AsyncConnection | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        keys: Sequence[bytes],
        *,
        clock: Clock,
        entropy: Entropy,
        watch: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        poll_s: float = POLL_S,
    ) -> Self:
        """Open the catalogue at ``url``, make or migrate it if need be, and load it.

        ``keys`` are the server's secret keys, the current one first. Without
        ``watch`` the snapshot follows this object's own changes and
        :meth:`refresh` only. Raises :class:`CatalogError` or
        :class:`~kaskad.config.ConfigError`.
        """
        database = await open_database(url, busy_timeout_s=busy_timeout_s)
        catalog = cls(database, Sealer(keys, entropy), clock, entropy)
        try:
            await catalog.refresh()
            if watch:
                catalog._held = await database.hold()
                watching = catalog._watch(catalog._held, poll_s)
                catalog._watcher = asyncio.create_task(watching, name="catalog-watch")
        except BaseException:
            await catalog.close()
            raise
        return catalog

    async def close(self) -> None:
        """Stop watching and let go of the database. May be called twice."""
        if self._watcher is not None:
            self._closing.set()
            await self._watcher
            self._watcher = None
        if self._held is not None:
            await self._held.close()
            self._held = None
        await self._database.close()

    # --- reading -----------------------------------------------------------------

    @property
    def snapshot(self) -> Snapshot:
        """The newest configuration known."""
        return self._snapshot

    def subscribe(self, listener: Listener) -> None:
        """Call back in the event loop with each new snapshot, from the next one on."""
        self._listeners.append(listener)

    async def refresh(self) -> Snapshot:
        """Look at the database now; the snapshot changes when its revision has.

        Raises :class:`CatalogError`; the snapshot then stays as it was.
        """
        async with self._reloading, self._database.reading() as connection:
            if await _rows.revision(connection) == self._snapshot.revision:
                return self._snapshot
            self._snapshot = await self._load(connection)
        self._tell()
        return self._snapshot

    async def _load(self, connection: AsyncConnection) -> Snapshot:
        try:
            return await _rows.load(connection, self._sealer)
        except SealError as error:
            raise CatalogError(
                f"{self._database.path}: {error}; expected the secret_key that wrote it,"
                " or that key in old_secret_keys"
            ) from error
        except (ValueError, LookupError, TypeError, msgspec.MsgspecError) as error:
            problem = f"{self._database.path}: a row of it cannot be read: {error}"
            raise CatalogError(problem) from error

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener(self._snapshot)
            except Exception:
                _log.exception("catalog_listener_failed")

    async def _watch(self, held: AsyncConnection, poll_s: float) -> None:
        """Refresh whenever somebody else has written; failures are logged once in a row.

        It ends between two looks: a query that is cancelled leaves its connection unfinished.
        """
        seen, failing = -1, False
        while not self._closing.is_set():
            try:
                version = await self._data_version(held)
                if version != seen:
                    await self.refresh()
                    seen = version
                failing = False
            except Exception as error:  # whatever it is, the next look may succeed
                if not failing:
                    _log.warning("catalog_reload_failed", problem=str(error))
                failing = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), poll_s)

    async def _data_version(self, held: AsyncConnection) -> int:
        with explained(self._database.path):
            return int((await held.exec_driver_sql("PRAGMA data_version")).scalar_one())

    # --- writing -----------------------------------------------------------------

    async def apply(
        self, declared: Declared, *, prune: bool = False, dry_run: bool = False, actor: str = "cli"
    ) -> list[Difference]:
        """Make the tenant what the file declares, in one transaction; what that changed.

        Adds and updates; with ``prune`` also removes what the file does not
        name. A second time there are no differences and nothing is written.
        Raises :class:`~kaskad.config.ConfigError` when an id or a token is
        somebody else's.
        """
        entered = self._database.reading() if dry_run else self._database.writing()
        async with entered as connection:
            steps = plan(await self._load(connection), declared, prune=prune)
            if steps and not dry_run:
                await self._transaction(connection).perform(declared.tenant, steps, actor)
        await self.refresh()
        return [difference for step in steps for difference in step.differences]

    async def note_token_use(self, used: Mapping[str, datetime]) -> None:
        """Remember when tokens (by id) were last used; the newest time wins. One transaction."""
        if not used:
            return
        last = tables.tokens.c.last_used_at
        async with self._database.writing() as connection:
            for token_id, at in used.items():
                newer = or_(last.is_(None), last < at)
                query = update(tables.tokens).where(tables.tokens.c.id == token_id, newer)
                await connection.execute(query.values(last_used_at=at))

    async def audit(
        self, *, tenant: str, actor: str, action: str, subject: str, at: datetime
    ) -> None:
        """Append a row to the audit trail."""
        row = {"tenant": tenant, "actor": actor, "action": action, "subject": subject, "at": at}
        async with self._database.writing() as connection:
            await connection.execute(insert(tables.audit), row)

    # --- tokens ------------------------------------------------------------------

    async def create_token(
        self,
        tenant: str,
        name: str,
        *,
        widgets: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        replaces: str | None = None,
        overlap_s: int = 0,
        actor: str = "cli",
    ) -> str:
        """Make a token and return it: nobody can read it again.

        Without ``widgets`` it may use those of the token that it ``replaces``,
        or all of its tenant's when there is none. The replaced token ends
        after the overlap. Raises :class:`TokenError` or :class:`UnknownTenantError`.
        """
        await self.require_tenant(tenant)
        plaintext = token_format.make(self._entropy.token(token_format.RANDOM_BYTES))
        async with self._database.writing() as connection:
            before = await self._load(connection)
            old = _token_rules.replaced(before, tenant, replaces)
            token = ApiToken(
                id=self._entropy.uuid(),
                tenant=tenant,
                name=name,
                hash=token_format.hash_token(plaintext),
                widgets=_token_rules.scope(widgets, old),
                created_at=self._clock.now(),
                expires_at=expires_at,
            )
            transaction = self._transaction(connection)
            await _token_rules.create(transaction, before, token, old, overlap_s, actor)
        await self.refresh()
        return plaintext

    async def revoke_token(self, tenant: str, name: str, *, actor: str = "cli") -> None:
        """End, at once, every token in force that has this name or id.

        Raises :class:`TokenError` when there is none, or :class:`UnknownTenantError`.
        """
        await self.require_tenant(tenant)
        async with self._database.writing() as connection:
            before = await self._load(connection)
            await _token_rules.revoke(self._transaction(connection), before, tenant, name, actor)
        await self.refresh()

    async def list_tokens(self, tenant: str) -> list[ApiToken]:
        """Every token of the tenant as the database has it now, the oldest first.

        Raises :class:`UnknownTenantError`.
        """
        await self.require_tenant(tenant)
        async with self._database.reading() as connection:
            snapshot = await self._load(connection)
        return _token_rules.of(snapshot, tenant)

    # --- tenants -----------------------------------------------------------------

    async def require_tenant(self, tenant: str) -> None:
        """Raise :class:`UnknownTenantError` unless something was applied for the tenant."""
        async with self._database.reading() as connection:
            query = select(tables.tenants.c.id).order_by(tables.tenants.c.id)
            known = (await connection.execute(query)).scalars().all()
        if tenant not in known:
            raise UnknownTenantError(self._database.path, tenant, known)

    def _transaction(self, connection: AsyncConnection) -> Transaction:
        return Transaction(connection, self._sealer, self._entropy, self._clock.now())
