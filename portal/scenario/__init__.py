"""Scenario files: agencies, staff and events in YAML, replayed through the services that the pages call."""
