"""Supabase Auth: people, passwords, sessions and ES256 access tokens."""
