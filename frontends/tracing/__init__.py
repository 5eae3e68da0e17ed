"""A network's forward pass, recorded: which layer feeds which."""
