"""The schema's history, for Alembic. Revisions are written by hand and never import the tables of today.

To change the schema: change the tables, add the next `versions/rNNNN_what_changes.py`, set HEAD and KNOWN in
`store/migrate.py`. A test compares what the revisions make with what the tables say.
"""
