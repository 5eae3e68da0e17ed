"""Small tests of what each training method claims, with paired seeds and gates: python -m seamount.models.mechanisms."""
