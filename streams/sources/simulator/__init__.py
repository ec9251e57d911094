"""A simulated contact centre, so that Pulssi can be seen at work before one's own events flow.

`simulate(Plan(...))` yields a believable centre's events in order of time. It is pure: one seed, one clock of its own,
no effect. It knows the event contract and nothing of how Pulssi measures.
"""

from streams.sources.simulator.log import Emitted
from streams.sources.simulator.run import Plan, simulate

__all__ = ["Emitted", "Plan", "simulate"]
