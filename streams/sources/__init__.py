"""Where events come from: other systems (hooks, imports, followers), recorded files, and the simulator."""
