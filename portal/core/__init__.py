"""What every feature stands on: database, clock, errors, labels, permissions, and forms that are sent twice."""
