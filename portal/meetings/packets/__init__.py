"""Packets (資料): what is disclosed to each agency at the table, and the stop of its use."""
