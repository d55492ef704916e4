"""Recordings of sessions at the media vendor: agreed to by both, shown to both, stopped whatever happens."""
