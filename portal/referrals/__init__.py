"""Referrals: one agency asks another to help a person, and the other answers."""
