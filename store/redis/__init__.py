"""The live state in Redis or Valkey: one Python function per script or query."""
