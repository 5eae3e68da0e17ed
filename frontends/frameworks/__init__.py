"""Training frameworks: their layers and neurons as NIR nodes and conventions."""
