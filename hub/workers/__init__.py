"""Background duties: one a file, each with `run_once() -> int`."""
