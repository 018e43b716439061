"""The auditor's pages: read-only over everything, by number."""
