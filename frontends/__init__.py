"""Readers of trained networks: .nir files and training frameworks."""

if __name__ == "frontends":
    raise ImportError("this folder is imported as seamount.frontends, not as frontends")
