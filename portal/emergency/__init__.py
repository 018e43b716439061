"""Emergency access (緊急閲覧): one member, one record, 60 minutes; notified at once, reviewed afterwards."""
