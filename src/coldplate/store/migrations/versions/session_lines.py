"""The queued jobs of each session."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Find the first queued job of each session without looking at all that is queued."""
    queued = text("state = 'Queued' AND session IS NOT NULL")
    op.create_index("session_line", "job", ["session", "number"], sqlite_where=queued)
