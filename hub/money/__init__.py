"""What is agreed and what is paid, as far as people ask for it; `workers` do the rest."""
