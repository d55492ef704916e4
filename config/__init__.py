"""What an installation chooses: settings, and the rules and periods that are data."""
