"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    people()
    sessions()
    jobs()


def downgrade() -> None:
    """Drop every table."""
    for table in (
        "job_tag",
        "job",
        "session",
        "usage",
        "terminal_event",
        "submission",
        "secret",
        "instance",
        "calibration",
        "backend",
        "api_key",
    ):
        op.drop_table(table)


def people() -> None:
    """Instances, keys, secrets, backends."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.Column("last_used", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "backend",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("body_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "calibration",
        sa.Column("backend", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("properties_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("backend", "at"),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("body_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_instance_account"), "instance", ["account"], unique=False)
    op.create_table(
        "secret",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def sessions() -> None:
    """Sessions and submissions."""
    op.create_table(
        "submission",
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("last_attempt", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
    )
    op.create_index(op.f("ix_submission_id"), "submission", ["id"], unique=False)
    op.create_table(
        "session",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("backend", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_reason", sa.String(), nullable=True),
        sa.Column("accepting_jobs", sa.Boolean(), nullable=False),
        sa.Column("max_ttl_s", sa.Integer(), nullable=False),
        sa.Column("interactive_ttl_s", sa.Integer(), nullable=False),
        sa.Column("active_ttl_s", sa.Integer(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("activated", sa.BigInteger(), nullable=True),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("last_job_started", sa.BigInteger(), nullable=True),
        sa.Column("last_job_completed", sa.BigInteger(), nullable=True),
        sa.Column("usage_s", sa.Float(), nullable=False),
        sa.Column("history_json", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instance.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "session_alive", "session", ["created"], unique=False, sqlite_where=sa.text("state != 'closed'")
    )
    op.create_index(
        "one_owner",
        "session",
        ["backend"],
        unique=True,
        sqlite_where=sa.text("state = 'active' AND mode = 'dedicated'"),
    )


def jobs() -> None:
    """Jobs, their ends and charges."""
    op.create_table(
        "terminal_event",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job"),
    )
    op.create_table(
        "usage",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("backend", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("job", sa.String(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("usage_window", "usage", ["instance", "at"], unique=False)
    op.create_table(
        "job",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("instance", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("program", sa.String(), nullable=False),
        sa.Column("backend", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Integer(), nullable=True),
        sa.Column("reason_solution", sa.Text(), nullable=True),
        sa.Column("session", sa.String(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("log_level", sa.String(), nullable=False),
        sa.Column("runtime", sa.String(), nullable=True),
        sa.Column("calibration", sa.String(), nullable=True),
        sa.Column("caller", sa.Text(), nullable=True),
        sa.Column("cost_s", sa.Integer(), nullable=False),
        sa.Column("estimated_s", sa.Float(), nullable=True),
        sa.Column("params_size", sa.BigInteger(), nullable=False),
        sa.Column("params_sha256", sa.String(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=True),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("usage_s", sa.Float(), nullable=True),
        sa.Column("result_size", sa.BigInteger(), nullable=True),
        sa.Column("result_sha256", sa.String(), nullable=True),
        sa.Column("results_read", sa.BigInteger(), nullable=True),
        sa.Column("metrics_json", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["instance"],
            ["instance.id"],
        ),
        sa.ForeignKeyConstraint(
            ["session"],
            ["session.id"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index(
        "heads",
        "job",
        ["backend", "instance", "number"],
        unique=False,
        sqlite_where=sa.text("state = 'Queued'"),
    )
    op.create_index(op.f("ix_job_session"), "job", ["session"], unique=False)
    op.create_index("listed", "job", ["instance", "number"], unique=False)
    op.create_index(
        "one_run", "job", ["backend", "lane"], unique=True, sqlite_where=sa.text("state = 'Running'")
    )
    op.create_table(
        "job_tag",
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "position"),
    )
    op.create_index(op.f("ix_job_tag_tag"), "job_tag", ["tag"], unique=False)
