"""Money: pure rules, and the one file that speaks to Stripe."""
