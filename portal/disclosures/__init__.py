"""Disclosures: what each agency knows and on which basis: the wall, and the ledger of disclosures."""
