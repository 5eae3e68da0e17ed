"""The engine on a GPU, through PyTorch and Triton."""
