"""Reports: read-only over everything: the Today page and the auditor's pages."""
