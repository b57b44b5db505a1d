"""One file per family of architectures, and what all of them have in common in `base`."""
