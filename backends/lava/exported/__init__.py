"""Files of an exported folder. network.py stands alone there; here it is the lowering of the Lava backend."""
