"""The typed graph between frontends and passes."""
