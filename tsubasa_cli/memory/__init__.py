"""What is known about the user: extract, evolve, store, index, recall, erase."""
