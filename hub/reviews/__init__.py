"""What guests say of a paid session, and what the practitioner answers."""
