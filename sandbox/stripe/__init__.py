"""Stripe with state: the API the official SDK speaks, strict where Stripe is strict."""
