"""The last four weeks: what there was at the same hours, and reading it from ClickHouse."""
