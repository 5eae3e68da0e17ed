"""Trained model files, written by the scripts beside them."""
