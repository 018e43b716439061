"""Series of meetings, their dates, and the steps of a meeting's life."""
