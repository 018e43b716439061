"""Retention and erasure (保存期間と消去): what is due, what blocks it, and the two people who agree."""
