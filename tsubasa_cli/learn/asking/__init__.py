"""Questions about memories, by grammar: a model too small to invent good ones still learns."""
