"""The commands, by what an author is doing."""
