"""What keeps people safe while they talk: rules on texts, held messages, help, reports, blocks, evidence."""
