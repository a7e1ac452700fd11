"""The tests, and what they share: run them from the top of the tree."""
