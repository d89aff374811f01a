"""Inner codec 38: a small network of this project's own."""
