"""Training recipes: one file each, all of the same inner shape (recipe.py). The table is in registry.py."""
