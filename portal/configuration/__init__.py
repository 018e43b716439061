"""What a city decides for itself: thresholds of the watch on readings, retention periods. One row for each changed value."""
