"""The host: connected directories, synced on a schedule into records with a history that an auditor can ask.

A run's way, from the moment it is due to the moment it is seen:

    scheduling/     tick: what is due becomes a run of the ledger (runs/), and goes into the queue
                    queue: DBOS gives it to one worker
                    engine: that worker works, says that it lives, stops what is no longer its own
    sync            claims the run, opens the credential (vault), collects (contract: the integration)
    store/staging   holds what the integration emits, seen by nobody
    store/take_over one transaction: who is there under another id (store/successions), who is no more (store/endings),
                    whether an operator must look (store/breaker), the change log and the episodes (store/changes,
                    store/continuing), the ledger, the schedule

Around it:

    installations/  what is connected: save after a health check and a preview of the filter, primary, disconnect
    attention       the operator's word on removals and replaced accounts
    store/lists, history, export   what is read: now, or as of any past run
    web/, cli/      the API, the pages, the command
    database/       SQLite or PostgreSQL, the same statements on both
    vault/          what credentials, checkpoints and the copies for previews are sealed with

The host knows an integration by its definition and entry point only.
"""
