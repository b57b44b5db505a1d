"""Progress measures: numbers that change continuously while accuracy waits (the term of arXiv 2301.05217)."""
