"""A batch computation of the metrics, written from their definitions alone: what the stream's results are held against.

It reads a set of events, in any order and with any repetition. Each rule has a module, and each quantity a scan of its
own over the contact's ordered events: no state moves from event to event, so a fault here and the same fault in the
stream's fold are unlikely. It imports nothing of what it checks, and clarity comes before speed.
"""
