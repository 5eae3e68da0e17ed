"""What runs show: where two of them part, and why."""
