"""Conflict of interest (利益相反): members of staff who are shut out of one person's affairs."""
