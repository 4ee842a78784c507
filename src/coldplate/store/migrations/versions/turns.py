"""Who drives a device."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Float, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a running job does with its device, and that of each device there is one driver."""
    op.add_column("job", Column("asked", BigInteger))
    op.add_column("job", Column("driving", BigInteger))
    op.add_column("job", Column("held_s", Float, nullable=False, server_default="0"))
    op.create_index("one_driver", "job", ["backend"], unique=True, sqlite_where=text("driving IS NOT NULL"))
