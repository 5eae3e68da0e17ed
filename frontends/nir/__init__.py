"""NIR files: read safely, checked, flattened, and imported as a Graph."""
