"""Speed of the integer simulators beside the float frameworks the networks were trained in.

`python -m benchmarks --help`; method and results are in docs/performance.md. Not part of the installed package.
"""
