"""What a message may say: text in, verdict out. Rules come from the book in `config/moderation`."""
