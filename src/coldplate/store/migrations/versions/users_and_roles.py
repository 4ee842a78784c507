"""Users and their roles. Until now every key could do everything in its account, so its user still can."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, String

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and a manager of every user that has a key."""
    op.create_table(
        "user",
        Column("account", String, primary_key=True),
        Column("name", String, primary_key=True),
        Column("kind", String, nullable=False),
        Column("created", BigInteger, nullable=False),
    )
    op.create_table(
        "role",
        Column("account", String, primary_key=True),
        Column("user", String, primary_key=True),
        Column("instance", String, primary_key=True),
        Column("role", String, nullable=False),
        ForeignKeyConstraint(["account", "user"], ["user.account", "user.name"], ondelete="CASCADE"),
    )
    op.execute(
        'INSERT INTO "user" (account, name, kind, created) '
        "SELECT account, user, 'user', min(created) FROM api_key GROUP BY account, user"
    )
    op.execute(
        "INSERT INTO role (account, user, instance, role) SELECT account, name, '*', 'manager' FROM \"user\""
    )
