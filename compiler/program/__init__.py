"""The integer program: what runs on the chip, flat and without floats."""
