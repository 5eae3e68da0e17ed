"""Reference networks, their training scripts, and data sets."""

if __name__ == "models":
    raise ImportError("this folder is imported as seamount.models, not as models")
