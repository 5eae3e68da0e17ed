"""The Lava backend: artifact to process graph, in an environment of its own."""
