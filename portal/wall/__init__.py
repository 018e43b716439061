"""The wall: what of each table a reader is shown. Declared once, as SQL, in `rules`, `meetings`, `tables` and `columns`.

- The database itself keeps to it: whatever a page asks on `db.read`, it asks of views that are made of the rules
  (`engines`, `sqlite`, `postgresql`), and that know who reads and when. Who has not said who reads sees no row.
- What is asked of another reader, or within a writing transaction, is asked by predicates made of the same rules
  (`predicates`).

docs/decisions/031 says why it is so.
"""
