"""A widget's captcha. Nodes of an older version go on beside it: they do not look."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("widgets", sa.Column("captcha", sa.LargeBinary(), nullable=True))
