#!/bin/sh
# Runs once, when ClickHouse has an empty volume: the users of the parts and of Grafana, with the passwords of the secrets.
# `pulssi migrate` gives them their rights, and leaves users that are there as they are. ClickHouse keeps hashes only.
set -eu
for name in writer reader; do
  hash=$(tr -d '\n' < "/run/secrets/clickhouse_${name}_password" | sha256sum | cut -d ' ' -f 1)
  clickhouse-client --user "$CLICKHOUSE_USER" --password "$(cat /run/secrets/clickhouse_admin_password)" \
    --query "CREATE USER IF NOT EXISTS pulssi_${name} IDENTIFIED WITH sha256_hash BY '$hash'"
done
