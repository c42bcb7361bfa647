"""The versions of the tables, one file each, for Alembic. What is released is never changed here."""
