"""How bookings are made, moved and cancelled, what their people are told, and how they become sessions."""
