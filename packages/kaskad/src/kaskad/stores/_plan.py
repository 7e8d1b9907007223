"""What has to change for a tenant to become what a file declares. Pure."""

from collections.abc import Iterator, Mapping

from kaskad.app.ports import ApiToken, Provider, Snapshot
from kaskad.config import ConfigError, Declared, DeclaredToken
from kaskad.core.model import Channel, Value, Widget
from kaskad.stores._differences import (
    Difference,
    Properties,
    channel_properties,
    compare,
    provider_properties,
    token_properties,
    widget_properties,
)

Thing = Provider | Channel | Widget | ApiToken | DeclaredToken


class Step(Value, frozen=True, kw_only=True):
    """One thing that is not as it should be. Without ``old`` it is new, without ``new`` it goes."""

    old: Thing | None
    new: Thing | None
    differences: tuple[Difference, ...]


# --- the plan --------------------------------------------------------------------


def plan(before: Snapshot, declared: Declared, *, prune: bool) -> list[Step]:
    """What has to change for the tenant to be what the file declares.

    Raises :class:`~kaskad.config.ConfigError` when it cannot be.
    """
    problems = [*_foreign_widgets(before, declared), *_taken_tokens(before, declared, prune=prune)]
    if problems:
        raise ConfigError(f"{declared.origin}: {problem}" for problem in problems)
    own = _own(before, declared.tenant)
    wanted = _wanted(declared)
    return [step for kind in _KINDS for step in _steps(kind, own[kind], wanted[kind], prune=prune)]


def _own(before: Snapshot, tenant: str) -> dict[str, dict[str, Thing]]:
    """What the tenant has now, by kind and name."""
    tokens = (t for t in before.tokens.values() if t.tenant == tenant and t.revoked_at is None)
    return {
        "provider": {p.id: p for p in before.providers.values() if p.tenant == tenant},
        "channel": {c.id: c for (owner, _), c in before.channels.items() if owner == tenant},
        "widget": {w.id: w for w in before.widgets.values() if w.tenant == tenant},
        "token": {token.name: token for token in tokens},
    }


def _wanted(declared: Declared) -> dict[str, dict[str, Thing]]:
    return {
        "provider": {provider.id: provider for provider in declared.providers},
        "channel": {channel.id: channel for channel in declared.channels},
        "widget": {widget.id: widget for widget in declared.widgets},
        "token": {token.name: token for token in declared.tokens},
    }


def _properties(thing: Thing | None) -> Properties | None:
    match thing:
        case None:
            return None
        case Provider():
            return provider_properties(thing)
        case Channel():
            return channel_properties(thing)
        case Widget():
            return widget_properties(thing)
        case _:
            return token_properties(thing)


_KINDS = ("provider", "channel", "widget", "token")


def _steps(
    kind: str, own: Mapping[str, Thing], wanted: Mapping[str, Thing], *, prune: bool
) -> Iterator[Step]:
    gone = [name for name in own if name not in wanted] if prune else []
    for name in (*wanted, *gone):
        old, new = own.get(name), wanted.get(name)
        differences = compare(kind, name, _properties(old), _properties(new))
        if differences:
            yield Step(old=old, new=new, differences=tuple(differences))


def _foreign_widgets(before: Snapshot, declared: Declared) -> Iterator[str]:
    for index, widget in enumerate(declared.widgets):
        known = before.widgets.get(widget.id)
        if known is not None and known.tenant != declared.tenant:
            yield f'widgets[{index}] (id "{widget.id}"): id: a widget of another tenant has it'


def _taken_tokens(before: Snapshot, declared: Declared, *, prune: bool) -> Iterator[str]:
    declared_names = {token.name for token in declared.tokens}
    for index, token in enumerate(declared.tokens):
        known = before.tokens.get(token.hash)
        why = None
        if known is not None:
            goes = known.name in declared_names or prune
            why = _why_taken(known, token, declared.tenant, goes=goes)
        if why:
            yield f'tokens[{index}] (name "{token.name}"): token: {why}'


def _why_taken(known: ApiToken, token: DeclaredToken, tenant: str, *, goes: bool) -> str | None:
    """Why the value cannot be this token's, seeing who has it now."""
    if known.tenant != tenant:
        return "another tenant has the same"
    if known.revoked_at is not None:
        return "it has been revoked; give it another value or remove it from the file"
    if known.name != token.name and not goes:
        return f'the token "{known.name}" has the same'
    return None
