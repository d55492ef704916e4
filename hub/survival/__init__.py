"""What makes it survivable that lines, hubs and stores are lost."""
