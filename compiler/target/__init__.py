"""Chips and systems as data: what a target is, and what its file has to hold."""
