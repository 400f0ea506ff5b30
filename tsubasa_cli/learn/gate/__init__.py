"""The gate: what was trained is examined as it would be used, and refused unless it is better."""
