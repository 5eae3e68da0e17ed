"""Scales, rounding and registers: from float parameters to integer codes."""
