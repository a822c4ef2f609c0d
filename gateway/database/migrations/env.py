"""Alembic's entry. ``gateway.database.engine.upgrade`` hands over a connection with its transaction open."""

from alembic import context

from gateway.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
