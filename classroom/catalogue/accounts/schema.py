"""The tables of accounts, sessions, devices and the audit log. No secret is stored, only what checks it."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, false

from classroom.catalogue.schema import BigId, UtcDateTime, tables

accounts = Table(
    "accounts",
    tables,
    Column("id", BigId, primary_key=True),
    Column("login", String(60), nullable=False, unique=True),  # lower case
    Column("name", String(60), nullable=False),
    Column("role", String(20), nullable=False),  # AccountRole
    Column("person_id", BigId, ForeignKey("people.id", ondelete="SET NULL"), index=True),
    Column("district_id", BigId, ForeignKey("districts.id", ondelete="RESTRICT"), index=True),  # an operator's scope
    Column("school_id", BigId, ForeignKey("schools.id", ondelete="RESTRICT"), index=True),  # anybody else's
    Column("password_hash", String(200)),  # argon2id; empty: signs in elsewhere
    Column("must_change", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("oidc_issuer", String(200)),
    Column("oidc_subject", String(255)),
    Column(
        "may_bind", Boolean, nullable=False, server_default=false()
    ),  # the next whom the OpenID provider calls like its login gets it
    Column("created_at", UtcDateTime, nullable=False),
    Column("signed_in_at", UtcDateTime),
    UniqueConstraint("oidc_issuer", "oidc_subject"),
    sqlite_autoincrement=True,  # the log and lessons know people by it: an id is not given twice
)

account_sessions = Table(
    "account_sessions",
    tables,
    Column("id_hash", String(64), primary_key=True),  # SHA-256 of the cookie
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("address", String(64), nullable=False),
)

sign_in_locks = Table(
    "sign_in_locks",
    tables,
    Column("account_id", BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column(
        "client", String(64), primary_key=True
    ),  # a network or a browser, empty: all that are not known (lockout.py)
    Column("failures", Integer, nullable=False),  # wrong passwords in a row
    Column("failed_at", UtcDateTime, nullable=False),
    Column("locked_until", UtcDateTime),
)

account_withdrawals = Table(
    "account_withdrawals",
    tables,
    Column("account_id", BigId, primary_key=True, autoincrement=False),  # not a reference: it outlives the account
    Column("at", UtcDateTime, nullable=False),  # media tokens that were given before are void
    Index(None, "at"),
)

devices = Table(
    "devices",
    tables,
    Column("id", String(16), primary_key=True),  # also who it is in a lesson: ParticipantId
    Column("kind", String(10), nullable=False),  # DeviceKind: terminal, capture
    Column("name", String(60), nullable=False),
    Column("classroom_id", BigId, ForeignKey("classrooms.id", ondelete="RESTRICT"), nullable=False, index=True),
    Column("credential_hash", String(64), nullable=False, unique=True),  # SHA-256 of 32 random bytes
    Column("paired_at", UtcDateTime, nullable=False),
    Column("paired_by", BigId, ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("revoked_at", UtcDateTime),
    Column("seen_at", UtcDateTime),
    Column("version", String(60), nullable=False, server_default=""),
    Column("report", JSON),  # of its last self-test
    Column("volume", Integer),  # 0 to 100, as an operator has set it; empty: the room's own affair
)

audit = Table(
    "audit",
    tables,
    Column("id", BigId, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("account_id", BigId),  # not a reference: the log outlives accounts
    Column("actor", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("object", String(200), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("address", String(64), nullable=False),
    Index(None, "at"),
)
