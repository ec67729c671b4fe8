"""A run: its settings, its folder, its budget, and going on after it was stopped."""
