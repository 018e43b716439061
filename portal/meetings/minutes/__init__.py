"""Minutes (議事録): running a meeting, and what was written down."""
