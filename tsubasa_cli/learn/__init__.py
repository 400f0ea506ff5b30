"""Learning by night: what the memory holds is taught to the model, proven, and put into service."""
