"""Emergency access (緊急閲覧): one person, one member of staff, 60 minutes, told to the home agency, reviewed afterwards."""
