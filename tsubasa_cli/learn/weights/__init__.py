"""Weights as numbers: a GGUF as a torch model, a LoRA as a GGUF, and both merged into one file.

Nothing here knows of memories or of training. Every module imports torch at its top: import them
inside the function that needs them, never at the top of a command.
"""
