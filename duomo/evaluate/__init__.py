"""Measuring: ask a model the test samples of a task, compare, bound by bootstrap, and lay the figures side by side."""
