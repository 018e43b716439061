"""Series of activities: what is held again and again."""
