"""The tables. Times are integers: microseconds of UTC since 1970; `_json` columns hold JSON text."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    literal,
)

metadata = MetaData()

instance = Table(
    "instance",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("account", String, nullable=False, index=True),
    Column("body_json", Text, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
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

user = Table(
    "user",
    metadata,
    Column("account", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("created", BigInteger, nullable=False),
)

role = Table(
    "role",
    metadata,
    Column("account", String, primary_key=True),
    Column("user", String, primary_key=True),
    Column("instance", String, primary_key=True),  # a CRN, or "*": all of the account
    Column("role", String, nullable=False),
    ForeignKeyConstraint(["account", "user"], ["user.account", "user.name"], ondelete="CASCADE"),
)

secret = Table(
    "secret",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

backend = Table(
    "backend",
    metadata,
    Column("name", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("digest", String, nullable=False),  # SHA-256 of the body: who has read one need not read it again
    Column("body_json", Text, nullable=False),
)

# What an operator has said about a backend; it outlives restarts, and the catalog's word.
device = Table(
    "device",
    metadata,
    Column("name", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("reason", Text),
)

reservation = Table(
    "reservation",
    metadata,
    Column("id", String, primary_key=True),
    Column("backend", String, nullable=False),
    Column("claim", String, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("end", BigInteger, nullable=False, index=True),
    Column("instance", String),
    Column("reason", Text),
)

calibration = Table(
    "calibration",
    metadata,
    Column("backend", String, primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("properties_json", Text, nullable=False),
)

session = Table(
    "session",
    metadata,
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
Index("alive", session.c.created, sqlite_where=session.c.state != "closed")
# At most one dedicated session owns a backend, whatever any process believes.
Index(
    "one_owner",
    session.c.backend,
    unique=True,
    sqlite_where=and_(session.c.state == "active", session.c.mode == "dedicated"),
)

job = Table(
    "job",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # the order of acceptance
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
    Column("session", String, ForeignKey("session.id"), index=True),
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
    Column("worker", String),  # which server watches over the attempt
    Column("asked", BigInteger),  # waits for its device since
    Column("driving", BigInteger),  # drives its device since; only devices that one job at a time may drive
    Column("held_s", Float, nullable=False, server_default="0"),
)
# At most one job runs in a lane of a backend, whatever any process believes.
Index("one_run", job.c.backend, job.c.lane, unique=True, sqlite_where=job.c.state == "Running")
# At most one job drives a device, whatever any process believes.
Index("one_driver", job.c.backend, unique=True, sqlite_where=job.c.driving.is_not(None))
Index(
    "line",
    job.c.backend,
    job.c.instance,
    job.c.session,
    job.c.number,
    sqlite_where=job.c.state == "Queued",
)
Index(
    "session_line",
    job.c.session,
    job.c.number,
    sqlite_where=and_(job.c.state == "Queued", job.c.session.is_not(None)),
)
Index("listed", job.c.instance, job.c.number)

job_tag = Table(
    "job_tag",
    metadata,
    Column("job", String, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("tag", String, nullable=False),
)
Index("tagged", job_tag.c.tag, job_tag.c.job)

# POSTs whose answer has not been delivered yet: a repeat finds here what the first one made.
submission = Table(
    "submission",
    metadata,
    Column("fingerprint", String, primary_key=True),
    Column("id", String, nullable=False, index=True),  # of the job or session
    Column("last_attempt", BigInteger, nullable=False),
)

terminal_event = Table(
    "terminal_event",
    metadata,
    Column("job", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("instance", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("job", String),
    Column("session", String),
)
# With the seconds, so that a window is summed from the index alone.
Index("usage_window", usage.c.instance, usage.c.at, usage.c.seconds)
Index("usage_session", usage.c.session, usage.c.seconds, sqlite_where=usage.c.session.is_not(None))

# What analytics need of jobs that were deleted: their charges stay, and sums have to agree with them.
forgotten = Table(
    "forgotten",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("instance", String, nullable=False),
    Column("user", String, nullable=False),
    Column("backend", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("ended", BigInteger, nullable=False),
    Column("usage_s", Float),
    Column("mode", String),  # of its session
)
Index("forgotten_when", forgotten.c.instance, forgotten.c.ended)

upload = Table(
    "upload",
    metadata,
    Column("id", String, primary_key=True),
    Column("account", String, nullable=False),
    Column("user", String, nullable=False),
    Column("name", String, nullable=False),
    Column("public", Boolean, nullable=False),
    Column("body_json", Text, nullable=False),
)
Index("upload_name", upload.c.account, upload.c.name, unique=True)


def in_state(table: FromClause, state: str) -> ColumnElement[bool]:
    """Whether a job or session is in a state, written so that the indexes over one state are used."""
    return table.c.state == literal(state, String, literal_execute=True)
