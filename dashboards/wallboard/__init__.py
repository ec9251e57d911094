"""The wallboard: one page that says what is happening now, pushed as it happens, from the journals alone.

ClickHouse may be down. The page never passes old numbers off as new: it says how old they are, and why.
"""
