"""Where results are kept: one port and its implementations."""
