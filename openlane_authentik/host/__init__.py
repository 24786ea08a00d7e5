"""The host: connected directories, synced on a schedule into records with a history that an auditor can ask."""
