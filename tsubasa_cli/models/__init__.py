"""Which GGUF files exist, how they get here, and which one is in service."""
