"""The classes of tasks, one file each; `grokcore.spec.task` is the union of them."""
