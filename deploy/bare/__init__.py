"""The topology of `deploy/compose` as processes of this machine, without Docker."""
