"""The files of an exported folder beside its data. network.py stands alone there; here it is the backend's lowering."""
