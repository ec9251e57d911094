"""The wallboard: one page with the live numbers, pushed as they change, from the journals alone.

ClickHouse may be down. The page never shows old numbers as new: it says how old they are, and why.
"""
