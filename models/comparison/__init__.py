"""The methods compared on whole data sets, paired by seeds: python -m seamount.models.comparison."""
