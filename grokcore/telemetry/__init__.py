"""Telemetry of a run while it trains: metrics, notifications and progress."""
