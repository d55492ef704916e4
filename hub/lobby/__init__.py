"""Live rooms: how a host opens one, how guests knock, and how they are let in."""
