"""What the host adds to a sync: the same directory read into nothing, into SQLite and into PostgreSQL.

    python -m benchmarks.host                 100,000 users, 500,000 memberships: about 10 minutes
    python -m benchmarks.host --users 2000    shows that it runs

Every run is a process of its own against a fake authentik in another. Of each database, in this order: a first sync, a
full sync of which nothing changed, a delta that nothing changed for, and a delta with 10 changed and 2 deleted. The
PostgreSQL server is a process that is not measured; SQLite works within the one that is.
"""
