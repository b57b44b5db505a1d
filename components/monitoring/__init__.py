"""Components that report how pipelines end."""
