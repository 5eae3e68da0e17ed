"""The model file (.pt): what it holds, how it is written, read and checked."""
