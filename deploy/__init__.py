"""Running Pulssi: the command line, the embedded stack, topics and migrations."""
