"""The edge and the wiring: the only package that sees all the others."""
