"""The shipped networks: cards, builders and their training."""
