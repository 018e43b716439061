"""Consents: a person's yes to disclosing which categories to which agencies until when; withdrawals."""
