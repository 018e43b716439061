"""How each page is used, the first day of each role, and the pages that have no place in the navigation."""
