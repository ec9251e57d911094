"""Monitoring of a part: health, readiness, metrics, the watchdog, and which hosts are allowed to ask."""
