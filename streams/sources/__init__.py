"""Where events come from: recorded files and the simulator."""
