"""Simulators of the integer program."""
