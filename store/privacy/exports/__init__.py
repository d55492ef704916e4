"""The archive of everything that is stored about a person, for that person."""
