"""Runs as a person watches them: in a terminal of any width, or as plain lines where output is piped."""
