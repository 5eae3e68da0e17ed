"""Chip descriptions as data; see README.md in this folder."""
