"""llama.cpp in a child process: load, probe, stream, cancel, keep KV state."""
