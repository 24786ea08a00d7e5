"""The synced directory: what a run received, what it changes, and what is read of it afterwards."""
