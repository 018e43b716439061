"""Who is named for a meeting, who came, and who acknowledged the duty of secrecy."""
