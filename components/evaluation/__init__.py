"""Components that measure a run and show it."""
