"""The SLA engine as a process: it follows the journals, judges each second, and writes what changes to `alerts`."""
