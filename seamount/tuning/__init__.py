"""Fine-tuning in the integers that will run. Everything here needs PyTorch (extra `torch`)."""
