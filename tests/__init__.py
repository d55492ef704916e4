"""The suites: unit, integration, acceptance, architecture."""
