"""The outside world for a machine without accounts: four vendors over real HTTP, on loopback."""
