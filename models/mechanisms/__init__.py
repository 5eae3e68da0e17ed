"""Small tests of what each training method claims, paired by seeds: python -m seamount.models.mechanisms."""
