"""Reservations, and what operators say about backends."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, String, Text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; sum windows of usage from an index alone."""
    op.create_table(
        "device",
        Column("name", String, primary_key=True),
        Column("status", String, nullable=False),
        Column("reason", Text),
    )
    op.create_table(
        "reservation",
        Column("id", String, primary_key=True),
        Column("backend", String, nullable=False),
        Column("claim", String, nullable=False),
        Column("start", BigInteger, nullable=False),
        Column("end", BigInteger, nullable=False),
        Column("instance", String),
        Column("reason", Text),
    )
    op.create_index("ix_reservation_end", "reservation", ["end"])
    op.drop_index("usage_window", "usage")
    op.create_index("usage_window", "usage", ["instance", "at", "seconds"])
