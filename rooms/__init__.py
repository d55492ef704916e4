"""What may happen in a session: pure rules, without I/O, clock or money."""
