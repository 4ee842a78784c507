"""Programs that users upload."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Boolean, Column, String, Text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "upload",
        Column("id", String, primary_key=True),
        Column("account", String, nullable=False),
        Column("user", String, nullable=False),
        Column("name", String, nullable=False),
        Column("public", Boolean, nullable=False),
        Column("body_json", Text, nullable=False),
    )
    op.create_index("upload_name", "upload", ["account", "name"], unique=True)
