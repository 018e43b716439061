"""One search over people, referrals, cases and meetings."""
