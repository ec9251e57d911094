"""A batch fold of the metrics, written from their definitions alone: what the stream's results are held against.

It reads a set of events, in any order and with any repetition, and counts. Each sample has a scan of its own over the
contact's ordered events; there is no state that moves from event to event, so that a mistake here and the same mistake
in the stream's fold are unlikely. It imports nothing of what it checks, and clarity comes before speed.
"""
