"""Transfers (移管): what hangs on a person when the record goes to another agency, and what becomes of it."""
