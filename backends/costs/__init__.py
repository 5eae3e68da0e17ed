"""Cost sets: energies, times and powers as data; see README.md in this folder."""
