"""Reminders of booked sessions by text message: what they say, and what people answer."""
