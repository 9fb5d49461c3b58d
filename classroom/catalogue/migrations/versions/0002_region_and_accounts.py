"""Region, timetable, accounts, devices, audit log.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from classroom.catalogue.schema import BigId, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = (
    "audit",
    "districts",
    "terms",
    "schools",
    "bell_schedules",
    "calendar_days",
    "classrooms",
    "bells",
    "classes",
    "people",
    "accounts",
    "subscriptions",
    "timetable_entries",
    "account_sessions",
    "sign_in_locks",
    "account_withdrawals",
    "devices",
    "entry_listeners",
    "lesson_plans",
    "lesson_listeners",
)


def upgrade() -> None:
    """From lessons and recordings alone."""
    op.create_table(
        "audit",
        sa.Column("id", BigId, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("account_id", BigId),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(60), nullable=False),
        sa.Column("object", sa.String(200), nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_table(
        "districts",
        sa.Column("id", BigId, nullable=False),
        sa.Column("code", sa.String(12), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("parent_id", BigId),
        sa.PrimaryKeyConstraint("id", name="pk_districts"),
        sa.ForeignKeyConstraint(["parent_id"], ["districts.id"], name="fk_districts_parent_id", ondelete="RESTRICT"),
        sa.UniqueConstraint("code", name="uq_districts_code"),
    )
    op.create_index("ix_districts_parent_id", "districts", ["parent_id"])
    op.create_table(
        "terms",
        sa.Column("id", BigId, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_terms"),
        sa.UniqueConstraint("name", name="uq_terms_name"),
    )
    op.create_table(
        "schools",
        sa.Column("id", BigId, nullable=False),
        sa.Column("code", sa.String(10), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("short_name", sa.String(60), nullable=False, server_default=""),
        sa.Column("district_id", BigId, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schools"),
        sa.ForeignKeyConstraint(["district_id"], ["districts.id"], name="fk_schools_district_id", ondelete="RESTRICT"),
        sa.UniqueConstraint("code", name="uq_schools_code"),
    )
    op.create_index("ix_schools_district_id", "schools", ["district_id"])
    op.create_table(
        "bell_schedules",
        sa.Column("id", BigId, nullable=False),
        sa.Column("school_id", BigId, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bell_schedules"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_bell_schedules_school_id", ondelete="CASCADE"),
        sa.UniqueConstraint("school_id", "valid_from", name="uq_bell_schedules_school_id_valid_from"),
    )
    op.create_index("ix_bell_schedules_school_id", "bell_schedules", ["school_id"])
    op.create_table(
        "calendar_days",
        sa.Column("id", BigId, nullable=False),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("follows", sa.Date),
        sa.Column("district_id", BigId),
        sa.Column("school_id", BigId),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_days"),
        sa.ForeignKeyConstraint(
            ["district_id"], ["districts.id"], name="fk_calendar_days_district_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_calendar_days_school_id", ondelete="CASCADE"),
        sa.UniqueConstraint("on_date", "district_id", name="uq_calendar_days_on_date_district_id"),
        sa.UniqueConstraint("on_date", "school_id", name="uq_calendar_days_on_date_school_id"),
    )
    op.create_index("ix_calendar_days_district_id", "calendar_days", ["district_id"])
    op.create_index("ix_calendar_days_school_id", "calendar_days", ["school_id"])
    everybody = sa.text("district_id IS NULL AND school_id IS NULL")
    op.create_index(
        "uq_calendar_days_of_everybody",
        "calendar_days",
        ["on_date"],
        unique=True,
        sqlite_where=everybody,
        postgresql_where=everybody,
    )
    op.create_table(
        "classrooms",
        sa.Column("id", BigId, nullable=False),
        sa.Column("school_id", BigId, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("leads", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_classrooms"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_classrooms_school_id", ondelete="RESTRICT"),
        sa.UniqueConstraint("school_id", "name", name="uq_classrooms_school_id_name"),
    )
    op.create_index("ix_classrooms_school_id", "classrooms", ["school_id"])
    op.create_table(
        "bells",
        sa.Column("schedule_id", BigId, nullable=False),
        sa.Column("period", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("starts", sa.Time, nullable=False),
        sa.Column("ends", sa.Time, nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "period", name="pk_bells"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["bell_schedules.id"], name="fk_bells_schedule_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "classes",
        sa.Column("id", BigId, nullable=False),
        sa.Column("school_id", BigId, nullable=False),
        sa.Column("grade", sa.String(60), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("children", sa.Integer, nullable=False, server_default="0"),
        sa.Column("classroom_id", BigId),
        sa.PrimaryKeyConstraint("id", name="pk_classes"),
        sa.ForeignKeyConstraint(
            ["classroom_id"], ["classrooms.id"], name="fk_classes_classroom_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_classes_school_id", ondelete="RESTRICT"),
        sa.UniqueConstraint("school_id", "grade", "name", name="uq_classes_school_id_grade_name"),
    )
    op.create_index("ix_classes_classroom_id", "classes", ["classroom_id"])
    op.create_index("ix_classes_school_id", "classes", ["school_id"])
    op.create_table(
        "people",
        sa.Column("id", BigId, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("school_id", BigId, nullable=False),
        sa.Column("staff_number", sa.String(40)),
        sa.Column("student_hash", sa.String(64)),
        sa.Column("student_masked", sa.String(40), nullable=False, server_default=""),
        sa.Column("subject", sa.String(60), nullable=False, server_default=""),
        sa.Column("class_id", BigId),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_people_class_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_people_school_id", ondelete="RESTRICT"),
        sa.UniqueConstraint("school_id", "staff_number", name="uq_people_school_id_staff_number"),
        sa.UniqueConstraint("student_hash", name="uq_people_student_hash"),
    )
    op.create_index("ix_people_class_id", "people", ["class_id"])
    op.create_index("ix_people_school_id", "people", ["school_id"])
    op.create_table(
        "accounts",
        sa.Column("id", BigId, nullable=False),
        sa.Column("login", sa.String(60), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("person_id", BigId),
        sa.Column("district_id", BigId),
        sa.Column("school_id", BigId),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("oidc_issuer", sa.String(200)),
        sa.Column("oidc_subject", sa.String(255)),
        sa.Column("may_bind", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("signed_in_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.ForeignKeyConstraint(["district_id"], ["districts.id"], name="fk_accounts_district_id", ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_accounts_person_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_accounts_school_id", ondelete="RESTRICT"),
        sa.UniqueConstraint("login", name="uq_accounts_login"),
        sa.UniqueConstraint("oidc_issuer", "oidc_subject", name="uq_accounts_oidc_issuer_oidc_subject"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_accounts_district_id", "accounts", ["district_id"])
    op.create_index("ix_accounts_person_id", "accounts", ["person_id"])
    op.create_index("ix_accounts_school_id", "accounts", ["school_id"])
    op.create_table(
        "subscriptions",
        sa.Column("id", BigId, nullable=False),
        sa.Column("term_id", BigId, nullable=False),
        sa.Column("class_id", BigId, nullable=False),
        sa.Column("main_class_id", BigId, nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("classroom_id", BigId, nullable=False),
        sa.Column("assistant_id", BigId),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        sa.ForeignKeyConstraint(
            ["assistant_id"], ["people.id"], name="fk_subscriptions_assistant_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_subscriptions_class_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["classroom_id"], ["classrooms.id"], name="fk_subscriptions_classroom_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["main_class_id"], ["classes.id"], name="fk_subscriptions_main_class_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["term_id"], ["terms.id"], name="fk_subscriptions_term_id", ondelete="CASCADE"),
        sa.UniqueConstraint(
            "term_id",
            "class_id",
            "main_class_id",
            "subject",
            name="uq_subscriptions_term_id_class_id_main_class_id_subject",
        ),
    )
    op.create_index("ix_subscriptions_assistant_id", "subscriptions", ["assistant_id"])
    op.create_index("ix_subscriptions_class_id", "subscriptions", ["class_id"])
    op.create_index("ix_subscriptions_classroom_id", "subscriptions", ["classroom_id"])
    op.create_index("ix_subscriptions_main_class_id", "subscriptions", ["main_class_id"])
    op.create_index("ix_subscriptions_term_id", "subscriptions", ["term_id"])
    op.create_table(
        "timetable_entries",
        sa.Column("id", BigId, nullable=False),
        sa.Column("term_id", BigId, nullable=False),
        sa.Column("weekday", sa.Integer, nullable=False),
        sa.Column("period", sa.Integer, nullable=False),
        sa.Column("weeks", sa.String(4), nullable=False, server_default="all"),
        sa.Column("first_week", sa.Integer),
        sa.Column("last_week", sa.Integer),
        sa.Column("classroom_id", BigId, nullable=False),
        sa.Column("class_id", BigId),
        sa.Column("teacher_id", BigId, nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("title", sa.String(200), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_timetable_entries"),
        sa.ForeignKeyConstraint(
            ["class_id"], ["classes.id"], name="fk_timetable_entries_class_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["classroom_id"], ["classrooms.id"], name="fk_timetable_entries_classroom_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["teacher_id"], ["people.id"], name="fk_timetable_entries_teacher_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["term_id"], ["terms.id"], name="fk_timetable_entries_term_id", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_timetable_entries_class_id", "timetable_entries", ["class_id"])
    op.create_index("ix_timetable_entries_classroom_id", "timetable_entries", ["classroom_id"])
    op.create_index("ix_timetable_entries_teacher_id", "timetable_entries", ["teacher_id"])
    op.create_index("ix_timetable_entries_term_id", "timetable_entries", ["term_id"])
    op.create_table(
        "account_sessions",
        sa.Column("id_hash", sa.String(64), nullable=False),
        sa.Column("account_id", BigId, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_account_sessions"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_account_sessions_account_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_account_sessions_account_id", "account_sessions", ["account_id"])
    op.create_table(
        "sign_in_locks",
        sa.Column("account_id", BigId, autoincrement=False, nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failed_at", UtcDateTime, nullable=False),
        sa.Column("locked_until", UtcDateTime),
        sa.PrimaryKeyConstraint("account_id", "client", name="pk_sign_in_locks"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="fk_sign_in_locks_account_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "account_withdrawals",
        sa.Column("account_id", BigId, autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name="pk_account_withdrawals"),
    )
    op.create_index("ix_account_withdrawals_at", "account_withdrawals", ["at"])
    op.create_table(
        "devices",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("classroom_id", BigId, nullable=False),
        sa.Column("credential_hash", sa.String(64), nullable=False),
        sa.Column("paired_at", UtcDateTime, nullable=False),
        sa.Column("paired_by", BigId),
        sa.Column("revoked_at", UtcDateTime),
        sa.Column("seen_at", UtcDateTime),
        sa.Column("version", sa.String(60), nullable=False, server_default=""),
        sa.Column("report", sa.JSON),
        sa.Column("volume", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.ForeignKeyConstraint(
            ["classroom_id"], ["classrooms.id"], name="fk_devices_classroom_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["paired_by"], ["accounts.id"], name="fk_devices_paired_by", ondelete="SET NULL"),
        sa.UniqueConstraint("credential_hash", name="uq_devices_credential_hash"),
    )
    op.create_index("ix_devices_classroom_id", "devices", ["classroom_id"])
    op.create_table(
        "entry_listeners",
        sa.Column("entry_id", BigId, nullable=False),
        sa.Column("classroom_id", BigId, nullable=False),
        sa.Column("class_id", BigId),
        sa.Column("assistant_id", BigId),
        sa.PrimaryKeyConstraint("entry_id", "classroom_id", name="pk_entry_listeners"),
        sa.ForeignKeyConstraint(
            ["assistant_id"], ["people.id"], name="fk_entry_listeners_assistant_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_entry_listeners_class_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["classroom_id"], ["classrooms.id"], name="fk_entry_listeners_classroom_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["timetable_entries.id"], name="fk_entry_listeners_entry_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_entry_listeners_assistant_id", "entry_listeners", ["assistant_id"])
    op.create_index("ix_entry_listeners_class_id", "entry_listeners", ["class_id"])
    op.create_index("ix_entry_listeners_classroom_id", "entry_listeners", ["classroom_id"])
    op.create_table(
        "lesson_plans",
        sa.Column("lesson_id", sa.String(64), nullable=False),
        sa.Column("entry_id", BigId),
        sa.Column("on_date", sa.Date, nullable=False),
        sa.Column("period", sa.Integer),
        sa.Column("starts_at", UtcDateTime, nullable=False),
        sa.Column("ends_at", UtcDateTime, nullable=False),
        sa.Column("classroom_id", BigId, nullable=False),
        sa.Column("class_id", BigId),
        sa.Column("teacher_id", BigId, nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("state", sa.String(10), nullable=False, server_default="planned"),
        sa.Column("interactive", sa.Boolean, nullable=False),
        sa.Column("changed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("lesson_id", name="pk_lesson_plans"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_lesson_plans_class_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["classroom_id"], ["classrooms.id"], name="fk_lesson_plans_classroom_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["timetable_entries.id"], name="fk_lesson_plans_entry_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["lesson_id"], ["lessons.id"], name="fk_lesson_plans_lesson_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["teacher_id"], ["people.id"], name="fk_lesson_plans_teacher_id", ondelete="RESTRICT"),
        sa.UniqueConstraint("entry_id", "on_date", name="uq_lesson_plans_entry_id_on_date"),
    )
    op.create_index("ix_lesson_plans_class_id", "lesson_plans", ["class_id"])
    op.create_index("ix_lesson_plans_classroom_id", "lesson_plans", ["classroom_id"])
    op.create_index("ix_lesson_plans_entry_id", "lesson_plans", ["entry_id"])
    op.create_index("ix_lesson_plans_starts_at", "lesson_plans", ["starts_at"])
    op.create_index("ix_lesson_plans_teacher_id", "lesson_plans", ["teacher_id"])
    op.create_table(
        "lesson_listeners",
        sa.Column("lesson_id", sa.String(64), nullable=False),
        sa.Column("classroom_id", BigId, nullable=False),
        sa.Column("class_id", BigId),
        sa.Column("assistant_id", BigId),
        sa.PrimaryKeyConstraint("lesson_id", "classroom_id", name="pk_lesson_listeners"),
        sa.ForeignKeyConstraint(
            ["assistant_id"], ["people.id"], name="fk_lesson_listeners_assistant_id", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_lesson_listeners_class_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["classroom_id"], ["classrooms.id"], name="fk_lesson_listeners_classroom_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["lesson_id"], ["lesson_plans.lesson_id"], name="fk_lesson_listeners_lesson_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_lesson_listeners_assistant_id", "lesson_listeners", ["assistant_id"])
    op.create_index("ix_lesson_listeners_class_id", "lesson_listeners", ["class_id"])
    op.create_index("ix_lesson_listeners_classroom_id", "lesson_listeners", ["classroom_id"])


def downgrade() -> None:
    """To lessons and recordings alone."""
    for table in reversed(TABLES):
        op.drop_table(table)
