"""Which layer, and what of it, costs how much of the accuracy that integers lose."""
