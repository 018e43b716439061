"""The audit log: every act, every reading of personal data and every refusal. (Its pages are in `auditing`.)"""
