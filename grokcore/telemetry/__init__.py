"""Telemetry of a run while it trains: metrics and notifications."""
