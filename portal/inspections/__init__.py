"""The auditor's own work: names opened with a reason, samples of referrals looked through, findings and their answers."""
