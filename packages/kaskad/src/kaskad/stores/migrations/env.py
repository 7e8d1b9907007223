"""Runs the scripts on the connection that the caller has opened, in its transaction."""

from alembic import context
from sqlalchemy import Connection

from kaskad.stores.tables import metadata


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    context.run_migrations()


_run(context.config.attributes["connection"])
