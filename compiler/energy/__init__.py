"""Energy and time: event counts times published costs, as intervals with sources."""
