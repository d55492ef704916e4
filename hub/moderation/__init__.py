"""What moderators see and do, and what follows from it on every hub."""
