"""Contracts only: events, samples, panes, journal records, policies and settings. Imports nothing of the project."""
