"""Two runs compared: the first divergence, explained in integers; recordings from elsewhere."""
