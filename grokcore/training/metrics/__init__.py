"""What training tells Prometheus: measured while it runs, read when somebody asks, never waited for."""
