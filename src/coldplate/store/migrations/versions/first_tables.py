"""The first tables."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table."""
    people()
    backends()
    sessions()
    jobs()
    ends()


def people() -> None:
    """Instances, keys, secrets."""
    op.create_table(
        "instance",
        Column("id", String, primary_key=True),
        Column("name", String, nullable=False),
        Column("account", String, nullable=False),
        Column("body_json", Text, nullable=False),
    )
    op.create_index("ix_instance_account", "instance", ["account"])
    op.create_table(
        "api_key",
        Column("id", String, primary_key=True),
        Column("digest", String, nullable=False, unique=True),
        Column("user", String, nullable=False),
        Column("account", String, nullable=False),
        Column("name", String, nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("expires", BigInteger),
        Column("revoked", BigInteger),
        Column("last_used", BigInteger),
    )
    op.create_table(
        "secret",
        Column("name", String, primary_key=True),
        Column("value", LargeBinary, nullable=False),
    )


def backends() -> None:
    """Backends and their calibrations."""
    op.create_table(
        "backend",
        Column("name", String, primary_key=True),
        Column("position", Integer, nullable=False),
        Column("digest", String, nullable=False),
        Column("body_json", Text, nullable=False),
    )
    op.create_table(
        "calibration",
        Column("backend", String, primary_key=True),
        Column("at", BigInteger, primary_key=True),
        Column("properties_json", Text, nullable=False),
    )


def sessions() -> None:
    """Sessions and batches."""
    op.create_table(
        "session",
        Column("id", String, primary_key=True),
        Column("instance", String, ForeignKey("instance.id"), nullable=False),
        Column("user", String, nullable=False),
        Column("mode", String, nullable=False),
        Column("backend", String, nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("state", String, nullable=False),
        Column("state_reason", String),
        Column("accepting_jobs", Boolean, nullable=False),
        Column("max_ttl_s", Integer, nullable=False),
        Column("interactive_ttl_s", Integer, nullable=False),
        Column("active_ttl_s", Integer, nullable=False),
        Column("started", BigInteger),
        Column("activated", BigInteger),
        Column("closed", BigInteger),
        Column("last_job_started", BigInteger),
        Column("last_job_completed", BigInteger),
        Column("usage_s", Float, nullable=False),
        Column("history_json", Text, nullable=False),
        Column("version", Integer, nullable=False),
    )
    op.create_index("alive", "session", ["created"], sqlite_where=text("state != 'closed'"))
    owner = text("state = 'active' AND mode = 'dedicated'")
    op.create_index("one_owner", "session", ["backend"], unique=True, sqlite_where=owner)


def jobs() -> None:
    """Jobs."""
    op.create_table(
        "job",
        Column("number", Integer, primary_key=True),
        Column("id", String, nullable=False, unique=True),
        Column("instance", String, ForeignKey("instance.id"), nullable=False),
        Column("user", String, nullable=False),
        Column("program", String, nullable=False),
        Column("backend", String, nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("state", String, nullable=False),
        Column("reason", Text),
        Column("reason_code", Integer),
        Column("reason_solution", Text),
        Column("session", String, ForeignKey("session.id")),
        Column("private", Boolean, nullable=False),
        Column("log_level", String, nullable=False),
        Column("runtime", String),
        Column("calibration", String),
        Column("caller", Text),
        Column("cost_s", Integer, nullable=False),
        Column("estimated_s", Float),
        Column("params_size", BigInteger, nullable=False),
        Column("params_sha256", String, nullable=False),
        Column("fence", Integer, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("lane", Integer),
        Column("lease_until", BigInteger),
        Column("cancel_requested", Boolean, nullable=False),
        Column("started", BigInteger),
        Column("ended", BigInteger),
        Column("usage_s", Float),
        Column("result_size", BigInteger),
        Column("result_sha256", String),
        Column("results_read", BigInteger),
        Column("metrics_json", Text),
    )
    op.create_index("ix_job_session", "job", ["session"])
    op.create_index("listed", "job", ["instance", "number"])
    op.create_index(
        "one_run", "job", ["backend", "lane"], unique=True, sqlite_where=text("state = 'Running'")
    )
    line = ["backend", "instance", "session", "number"]
    op.create_index("line", "job", line, sqlite_where=text("state = 'Queued'"))


def ends() -> None:
    """What is remembered beside jobs: tags, POSTs, ends and charges."""
    op.create_table(
        "job_tag",
        Column("job", String, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
        Column("position", Integer, primary_key=True),
        Column("tag", String, nullable=False),
    )
    op.create_index("tagged", "job_tag", ["tag", "job"])
    op.create_table(
        "submission",
        Column("fingerprint", String, primary_key=True),
        Column("id", String, nullable=False),
        Column("last_attempt", BigInteger, nullable=False),
    )
    op.create_index("ix_submission_id", "submission", ["id"])
    op.create_table(
        "terminal_event",
        Column("job", String, primary_key=True),
        Column("state", String, nullable=False),
        Column("fence", Integer, nullable=False),
        Column("at", BigInteger, nullable=False),
    )
    op.create_table(
        "usage",
        Column("number", Integer, primary_key=True),
        Column("instance", String, nullable=False),
        Column("backend", String, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("seconds", Float, nullable=False),
        Column("job", String),
        Column("session", String),
    )
    op.create_index("usage_window", "usage", ["instance", "at"])
