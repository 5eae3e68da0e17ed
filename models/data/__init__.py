"""Labelled samples: data sets by name, the files they are in, and users' own."""
