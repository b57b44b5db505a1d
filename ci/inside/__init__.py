"""Tables of what stands inside analyzed runs, in docs/interpretation.md, and the headlines that they rest on."""
