"""Analyses report facts about a graph or program; they change nothing."""
