"""The gateway: hooks of other systems are checked, mapped to events and stored, and only then answered."""
