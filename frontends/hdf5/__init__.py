"""Reading HDF5 files as if a stranger had written them."""
