"""The tables as they are at the newest version. What brings a file there is in ``migrations/``.

Times are seconds since the epoch. An absent ``name`` is stored as ``""``, because SQL holds two NULLs for different and the
uniqueness of (environment, customer, element, name) must not.
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

VERSIONS = ("0001", "0002")
"""Every revision that this program knows, oldest first."""

metadata = MetaData()

instances = Table(
    "instances",
    metadata,
    Column("handle", String, primary_key=True),
    Column("environment", String, nullable=False),
    Column("customer", String, nullable=False),
    Column("element", String, nullable=False),
    Column("name", String, nullable=False),
    Column("group", String),
    Column("hub", String),
    Column("instance_id", Integer),
    Column("tags", JSON, nullable=False),
    Column("token", LargeBinary, nullable=False),
    Column("token_key_id", String, nullable=False),
    Column("token_digest", LargeBinary, nullable=False),
    Column("event_signature_key", LargeBinary),
    Column("event_signature_key_id", String),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("unauthorized_at", Float),
    UniqueConstraint("environment", "customer", "element", "name", name="one_mapping"),
    Index("instances_by_token", "environment", "token_digest"),
)

caller_keys = Table(
    "caller_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("previous_digest", LargeBinary),
    Column("previous_expires_at", Float),
    Column("environments", JSON, nullable=False),
    Column("customers", JSON, nullable=False),
    Column("elements", JSON, nullable=False),
    Column("methods", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("priority", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("last_used_at", Float),
    Column("limits", JSON, nullable=False, server_default="[]"),
)

pauses = Table(
    "pauses",
    metadata,
    Column("id", String, primary_key=True),
    Column("environment", String),
    Column("customer", String),
    Column("element", String),
    Column("reason", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
)

kept_answers = Table(
    "kept_answers",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("key_id", String, nullable=False),
    Column("octets", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("kept_answers_by_age", "created_at", "octets"),
)
"""First answers to calls with an ``Idempotency-Key``: ``digest`` says whose and under which key, ``answer`` is encrypted."""

revision = Table(
    "revision",
    metadata,
    Column("value", Integer, nullable=False),
)
"""One row: how many writes there were that look-ups must notice."""
