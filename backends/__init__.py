"""Executors of compiled programs: simulators and Lava."""

if __name__ == "backends":
    raise ImportError("this folder is imported as seamount.backends, not as backends")
