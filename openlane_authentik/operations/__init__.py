"""The operations an installation offers: HealthCheck and DirectorySync."""
