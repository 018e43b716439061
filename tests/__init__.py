"""The tests: through pages and services, on both databases."""
