"""What people look at: Grafana files from definitions in Python, and the wallboard."""
