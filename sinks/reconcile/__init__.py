"""What ClickHouse keeps, held against the archived events folded anew: told, and mended where a life has ended."""
