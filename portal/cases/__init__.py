"""Cases: one agency's support of one person, from opening to closing."""
