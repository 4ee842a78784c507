"""The charges of each session."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Sum them without looking at all charges."""
    of_sessions = text("session IS NOT NULL")
    op.create_index("usage_session", "usage", ["session", "seconds"], sqlite_where=of_sessions)
