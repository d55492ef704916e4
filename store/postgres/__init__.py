"""Postgres: the record that stays. SQL lies in `sql/`, one named statement per function of the same name."""
