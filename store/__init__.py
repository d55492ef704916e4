"""Redis and Postgres: one Python function per script or query, and the records they keep."""
