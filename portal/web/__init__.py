"""What every blueprint shares: headers, languages, converters, pagination, filters. Knows no feature."""
