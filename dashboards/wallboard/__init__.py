"""The wallboard: pages with the live numbers, pushed as they change, from the journals alone.

ClickHouse may be down: only comparisons with the last weeks come from there, and are null without it. A page never
shows old numbers as new: it says how old they are, and why.
"""
