"""The embedded stack: a broker and ClickHouse from wheels, and the parts of Pulssi beside them."""
