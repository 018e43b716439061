"""The yearly evaluation of a programme: its areas, its texts, its figures out of the records, and the closing of a year."""
