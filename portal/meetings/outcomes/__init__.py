"""Outcomes of agenda items, and promises (宿題)."""
