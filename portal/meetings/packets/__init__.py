"""Packets (資料): what each agency at the table is told, and the stop of its use."""
