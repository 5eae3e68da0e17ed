"""Register ranges: intervals, reachability, the overflow proof, its witnesses and remedies."""
