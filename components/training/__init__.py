"""Components that describe and train an experiment."""
