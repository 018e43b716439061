"""Accounts: staff, their roles, signing in, and sessions."""
