"""People: those who are helped, what is known of them by category, and their families."""
