"""Mappings, caller keys, and the counter by which look-ups notice a change."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "instances",
        sa.Column("handle", sa.String, primary_key=True),
        sa.Column("environment", sa.String, nullable=False),
        sa.Column("customer", sa.String, nullable=False),
        sa.Column("element", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("group", sa.String),
        sa.Column("hub", sa.String),
        sa.Column("instance_id", sa.Integer),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("token", sa.LargeBinary, nullable=False),
        sa.Column("token_key_id", sa.String, nullable=False),
        sa.Column("token_digest", sa.LargeBinary, nullable=False),
        sa.Column("event_signature_key", sa.LargeBinary),
        sa.Column("event_signature_key_id", sa.String),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.UniqueConstraint("environment", "customer", "element", "name", name="one_mapping"),
    )
    op.create_index("instances_by_token", "instances", ["environment", "token_digest"])
    op.create_table(
        "caller_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("previous_digest", sa.LargeBinary),
        sa.Column("previous_expires_at", sa.Float),
        sa.Column("environments", sa.JSON, nullable=False),
        sa.Column("customers", sa.JSON, nullable=False),
        sa.Column("elements", sa.JSON, nullable=False),
        sa.Column("methods", sa.JSON, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("priority", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("last_used_at", sa.Float),
    )
    counter = op.create_table("revision", sa.Column("value", sa.Integer, nullable=False))
    op.bulk_insert(counter, [{"value": 0}])
