"""Consents: a person's yes to telling which agencies what until when, and its withdrawal."""
