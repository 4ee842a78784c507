"""What analytics need of jobs that were deleted."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Integer, String

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "forgotten",
        Column("number", Integer, primary_key=True, autoincrement=True),
        Column("instance", String, nullable=False),
        Column("user", String, nullable=False),
        Column("backend", String, nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("started", BigInteger),
        Column("ended", BigInteger, nullable=False),
        Column("usage_s", Float),
        Column("mode", String),
    )
    op.create_index("forgotten_when", "forgotten", ["instance", "ended"])
