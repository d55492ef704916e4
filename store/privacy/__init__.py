"""What the hub knows about people, and how it is kept from everyone else."""
