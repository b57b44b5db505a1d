"""Everything that needs a GPU, in parts with a result and a time budget each: ci/gpu.

What starts the parts and keeps their results imports only the standard library, since it runs before anything that
grokcore needs is installed.
"""
