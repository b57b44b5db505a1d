"""What a run tells while it runs: metrics, and notifications."""
