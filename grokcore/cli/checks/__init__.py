"""What `grokcore doctor` looks at: one module for each part of a system that can be wrong."""
