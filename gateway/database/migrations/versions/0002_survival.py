"""Pauses, answers kept for an Idempotency-Key, quotas of caller keys, and since when a mapping needs authorization."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("instances", sa.Column("unauthorized_at", sa.Float))
    op.add_column("caller_keys", sa.Column("limits", sa.JSON, nullable=False, server_default="[]"))
    op.create_table(
        "pauses",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("environment", sa.String),
        sa.Column("customer", sa.String),
        sa.Column("element", sa.String),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("ends_at", sa.Float, nullable=False),
    )
    op.create_table(
        "kept_answers",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("octets", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_index("kept_answers_by_age", "kept_answers", ["created_at", "octets"])
