"""What is due, who works on it, and what becomes of the runs of a worker that is gone."""
