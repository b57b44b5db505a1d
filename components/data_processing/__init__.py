"""Components that make data."""
