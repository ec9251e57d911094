"""Grafana as code: data source, dashboard and alert rules, from which every file in `dashboards/grafana` is written."""
