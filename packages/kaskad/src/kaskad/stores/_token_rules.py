"""Making, replacing and revoking tokens."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from kaskad.app.ports import ApiToken, Snapshot
from kaskad.config import OperatorError
from kaskad.stores._writes import Transaction


class TokenError(OperatorError):
    """A token cannot be made or revoked as asked. Nothing was changed."""


def of(snapshot: Snapshot, tenant: str) -> list[ApiToken]:
    """The tenant's tokens, the oldest first."""
    own = (token for token in snapshot.tokens.values() if token.tenant == tenant)
    return sorted(own, key=lambda token: (str(token.created_at), token.name))


async def create(
    transaction: Transaction,
    before: Snapshot,
    token: ApiToken,
    old: ApiToken | None,
    overlap_s: int,
    actor: str,
) -> None:
    """Insert a token; let the ``old`` one that it replaces end after the overlap."""
    inherited = old is not None and token.widgets == old.widgets
    unknown = () if inherited else _unknown_widgets(before, token)
    problems = [*unknown, *_taken_name(before, token, old)]
    if problems:
        raise TokenError(problems)
    if old is not None:
        end = transaction.now + timedelta(seconds=overlap_s)
        await transaction.revoke_token(old.id, end)
        await transaction.append_audit(
            token.tenant, actor, "token.replace", f"{old.name} ({old.id}) until {end.isoformat()}"
        )
    await transaction.add_token(token)
    await transaction.append_audit(
        token.tenant, actor, "token.create", f"{token.name} ({token.id})"
    )
    await transaction.bump_revision()


async def revoke(
    transaction: Transaction, before: Snapshot, tenant: str, name: str, actor: str
) -> None:
    """End every token in force of that name or id."""
    found = [
        token
        for token in of(before, tenant)
        if name in {token.name, token.id} and not _ended(token, transaction)
    ]
    if not found:
        raise TokenError([_no_token(before, tenant, name)])
    for token in found:
        await transaction.revoke_token(token.id, transaction.now)
        subject = f"{token.name} ({token.id})"
        await transaction.append_audit(tenant, actor, "token.revoke", subject)
    await transaction.bump_revision()


def _ended(token: ApiToken, transaction: Transaction) -> bool:
    return token.revoked_at is not None and token.revoked_at <= transaction.now


def replaced(before: Snapshot, tenant: str, name: str | None) -> ApiToken | None:
    """The token in force of that name or id; ``None`` without a name."""
    if name is None:
        return None
    for token in of(before, tenant):
        if name in {token.name, token.id} and token.revoked_at is None:
            return token
    raise TokenError([_no_token(before, tenant, name)])


def scope(widgets: Sequence[str] | None, old: ApiToken | None) -> tuple[str, ...]:
    """The widgets of a new token: those asked for, else those of the one it replaces, else all."""
    if widgets is not None:
        return tuple(widgets)
    return old.widgets if old is not None else ()


def _no_token(before: Snapshot, tenant: str, name: str) -> str:
    known = [token.name for token in of(before, tenant) if token.revoked_at is None]
    return f'no token in force is called "{name}"; known: {", ".join(known) or "none"}'


def _unknown_widgets(before: Snapshot, token: ApiToken) -> Iterator[str]:
    own = [widget.id for widget in before.widgets.values() if widget.tenant == token.tenant]
    for widget in token.widgets:
        if widget not in own:
            yield f'no widget is called "{widget}"; known: {", ".join(own) or "none"}'


def _taken_name(before: Snapshot, token: ApiToken, old: ApiToken | None) -> Iterator[str]:
    for other in of(before, token.tenant):
        if other.name == token.name and other.revoked_at is None and other != old:
            yield (
                f'a token called "{token.name}" is in force; revoke it first,'
                f' or replace it: --replaces "{token.name}"'
            )
