"""Alembic's scripts for the catalogue. A test holds ``HEAD`` to the newest of them."""

HEAD = "0002"
