"""Frontend for .net files, the HDF5 networks of lava-dl."""
