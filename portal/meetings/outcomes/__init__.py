"""Outcomes of agenda items, and promises (対応事項)."""
