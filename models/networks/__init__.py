"""The reference networks, one file each with `build()`; their cards are in `seamount.models.reference.registry`."""
