"""The embedded ClickHouse: the engine from a wheel behind ClickHouse's own HTTP interface.

It exists so that `pulssi up` needs neither Docker nor root, and so that the rest of Pulssi, Grafana, planners and curl
talk to it exactly as they would to a server. It must never offer an interface of its own that a real server lacks.

One request's way: `server` (HTTP), `request` (its parameters), `scheduler` (a slot and a thread), `query`, `statement`
(what is refused), `engine` (chDB). Nothing here loads the engine on import: it takes a second and 200 MB.
"""
