"""Compares what ClickHouse keeps with the archived events folded again, and repairs rows of epochs that have ended."""
