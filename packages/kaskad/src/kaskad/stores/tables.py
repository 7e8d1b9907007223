"""The catalogue's tables, in SQL that SQLite and PostgreSQL both speak.

The scripts in ``migrations`` create them; a test holds the two together.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime as ISO 8601 text: readable, sortable, the same everywhere."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else datetime.fromisoformat(value)


tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("created_at", Instant, nullable=False),
)

providers = Table(
    "providers",
    metadata,
    Column("tenant", ForeignKey("tenants.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("driver", String(64), nullable=False),
    Column("settings", LargeBinary, nullable=False),  # sealed
)

channels = Table(
    "channels",
    metadata,
    Column("tenant", ForeignKey("tenants.id"), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("type", String(32), nullable=False),
    Column("label", Text, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("rules", JSON, nullable=False),
    ForeignKeyConstraint(["tenant", "provider"], ["providers.tenant", "providers.id"]),
)

templates = Table(
    "templates",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("locale", String(64), nullable=False),
    Column("text", Text, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "channel"], ["channels.tenant", "channels.id"], ondelete="CASCADE"
    ),
)

widgets = Table(
    "widgets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", ForeignKey("tenants.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("blocked", Boolean, nullable=False),
    Column("region", String(3), nullable=False),
    Column("locale", String(64), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("allowed_origins", JSON, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("captcha", LargeBinary, nullable=True),  # sealed
)

widget_channels = Table(
    "widget_channels",
    metadata,
    Column("widget", ForeignKey("widgets.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    ForeignKeyConstraint(["tenant", "channel"], ["channels.tenant", "channels.id"]),
    UniqueConstraint("widget", "channel"),
)

test_recipients = Table(
    "test_recipients",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("widget", ForeignKey("widgets.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("tenant", String(64), nullable=False),
    Column("position", Integer, nullable=False),
    Column("number_index", LargeBinary, nullable=False),  # keyed hash of the number
    Column("number", LargeBinary, nullable=False),  # sealed
    Column("code", LargeBinary, nullable=False),  # sealed
    Column("until", Instant, nullable=False),
    UniqueConstraint("widget", "number_index"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", ForeignKey("tenants.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    # Ids by value: a token whose last widget is removed must not come to mean every widget.
    Column("widgets", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
)
# A name is taken while a token that has it is in force; a revoked one gives it back.
Index(
    "uq_tokens_tenant_name",
    tokens.c.tenant,
    tokens.c.name,
    unique=True,
    sqlite_where=text("revoked_at IS NULL"),
    postgresql_where=text("revoked_at IS NULL"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("tenant", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Index(None, "tenant", "at"),
    sqlite_autoincrement=True,
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", Integer, nullable=False),
)
