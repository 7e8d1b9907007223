"""What is written to the catalogue, inside a transaction that the caller owns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from kaskad.app.ports import ApiToken, Entropy, Provider
from kaskad.config import DeclaredToken
from kaskad.core.model import Channel, Widget
from kaskad.stores import _rows, tables
from kaskad.stores._plan import Step
from kaskad.stores.sealed import Sealer


class Transaction:
    """One transaction's connection, with what its rows are made of."""

    def __init__(
        self, connection: AsyncConnection, sealer: Sealer, entropy: Entropy, now: datetime
    ) -> None:
        self.connection = connection
        self.sealer = sealer
        self.entropy = entropy
        self.now = now

    async def perform(self, tenant: str, steps: Sequence[Step], actor: str) -> None:
        """Carry steps out, in an order that no key minds, with their audit rows."""
        await self._ensure_tenant(tenant)
        for step in steps:
            if isinstance(step.old, ApiToken) and _is_another(step):
                await self._delete(tables.tokens, id=step.old.id)
        for step in steps:
            await self._put(step, tenant)
        for step in reversed(steps):
            if step.new is None:
                await self._remove(step, tenant)
        for line in (str(difference) for step in steps for difference in step.differences):
            await self.append_audit(tenant, actor, "apply", line)
        await self.bump_revision()

    async def append_audit(self, tenant: str, actor: str, action: str, subject: str) -> None:
        """Add a row to the audit trail."""
        row = {"actor": actor, "action": action, "subject": subject}
        await self._insert(tables.audit, {"tenant": tenant, "at": self.now, **row})

    async def bump_revision(self) -> None:
        """Tell every node that the configuration is another one."""
        revision = tables.meta.c.value
        await self.connection.execute(
            update(tables.meta)
            .where(tables.meta.c.name == "revision")
            .values({revision: revision + 1})
        )

    async def add_token(self, token: ApiToken) -> None:
        """Insert a token."""
        await self._insert(tables.tokens, _rows.token_row(token))

    async def revoke_token(self, token_id: str, at: datetime) -> None:
        """Let a token end at ``at``."""
        await self._update(tables.tokens, {"revoked_at": at}, id=token_id)

    async def tenant_exists(self, tenant: str) -> bool:
        """Whether anything has been applied for the tenant."""
        found = await self.connection.execute(
            select(tables.tenants.c.id).where(tables.tenants.c.id == tenant)
        )
        return found.first() is not None

    async def _ensure_tenant(self, tenant: str) -> None:
        if not await self.tenant_exists(tenant):
            await self._insert(tables.tenants, {"id": tenant, "created_at": self.now})

    # --- one thing ---------------------------------------------------------------

    async def _put(self, step: Step, tenant: str) -> None:
        exists = step.old is not None
        match step.new:
            case Provider() as provider:
                row = _rows.provider_row(provider, self.sealer)
                await self._upsert(tables.providers, row, ("tenant", "id"), exists=exists)
            case Channel() as channel:
                await self._put_channel(channel, tenant, exists=exists)
            case Widget() as widget:
                await self._put_widget(widget, exists=exists)
            case DeclaredToken() as token:
                await self._put_token(token, tenant, step)
            case _:
                pass

    async def _put_channel(self, channel: Channel, tenant: str, *, exists: bool) -> None:
        row = _rows.channel_row(channel, tenant)
        await self._upsert(tables.channels, row, ("tenant", "id"), exists=exists)
        await self._delete(tables.templates, tenant=tenant, channel=channel.id)
        await self._insert(tables.templates, *_rows.template_rows(channel, tenant))

    async def _put_widget(self, widget: Widget, *, exists: bool) -> None:
        row = _rows.widget_row(widget, self.sealer)
        await self._upsert(tables.widgets, row, ("id",), exists=exists)
        await self._delete(tables.widget_channels, widget=widget.id)
        await self._insert(tables.widget_channels, *_rows.widget_channel_rows(widget))
        await self._delete(tables.test_recipients, widget=widget.id)
        recipients = [
            _rows.recipient_row(self.entropy.uuid(), position, recipient, widget, self.sealer)
            for position, recipient in enumerate(widget.test_recipients)
        ]
        await self._insert(tables.test_recipients, *recipients)

    async def _put_token(self, token: DeclaredToken, tenant: str, step: Step) -> None:
        if isinstance(step.old, ApiToken) and not _is_another(step):
            scope = {"widgets": list(token.widgets), "expires_at": token.expires_at}
            await self._update(tables.tokens, scope, id=step.old.id)
            return
        await self.add_token(
            ApiToken(
                id=self.entropy.uuid(),
                tenant=tenant,
                name=token.name,
                hash=token.hash,
                widgets=token.widgets,
                created_at=self.now,
                expires_at=token.expires_at,
            )
        )

    async def _remove(self, step: Step, tenant: str) -> None:
        match step.old:
            case Provider(id=name):
                await self._delete(tables.providers, tenant=tenant, id=name)
            case Channel(id=name):
                await self._delete(tables.channels, tenant=tenant, id=name)
            case Widget(id=name):
                await self._delete(tables.widgets, id=name)
            case _:
                pass  # tokens go first, so that their values are free for others

    # --- rows --------------------------------------------------------------------

    async def _insert(self, table: Any, *rows: _rows.Values) -> None:
        if rows:
            await self.connection.execute(insert(table), list(rows))

    async def _update(self, table: Any, values: _rows.Values, **where: str) -> None:
        await self.connection.execute(update(table).filter_by(**where).values(values))

    async def _delete(self, table: Any, **where: str) -> None:
        await self.connection.execute(delete(table).filter_by(**where))

    async def _upsert(
        self, table: Any, row: _rows.Values, key: tuple[str, ...], *, exists: bool
    ) -> None:
        if not exists:
            await self._insert(table, row)
            return
        rest = {column: value for column, value in row.items() if column not in key}
        await self._update(table, rest, **{column: row[column] for column in key})


def _is_another(step: Step) -> bool:
    """Whether the token goes, or a different secret takes its name."""
    same = (
        isinstance(step.old, ApiToken)
        and isinstance(step.new, DeclaredToken)
        and step.old.hash == step.new.hash
    )
    return not same
