"""Where everything is stored: connections, tables, and their history of steps."""
