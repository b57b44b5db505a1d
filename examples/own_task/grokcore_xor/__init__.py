"""A task and a loss for grokcore. Nothing is imported here: grokcore imports what a spec names, when it needs it."""
