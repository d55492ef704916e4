"""Bookings as pure rules: when a practitioner can be booked, and what becomes of a booking."""
