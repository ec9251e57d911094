#!/bin/sh
# Makes each secret of compose.yaml that is not there yet: make-secrets.sh [FOLDER]. None is ever overwritten.
#
# The folder is its owner's alone. The files in it can be read by all, since the parts run as another user, who is given
# each file by itself.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 022
mkdir -p "$folder/configured"
chmod 700 "$folder"
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { # NAME VALUE
  [ -s "$folder/$1" ] || { printf '%s\n' "$2" > "$folder/$1.new" && mv "$folder/$1.new" "$folder/$1"; }
}
for name in clickhouse_admin_password clickhouse_writer_password clickhouse_reader_password \
  clickhouse_grafana_password \
  wallboard_token wallboard_session_key grafana_admin_password; do
  keep "$name" "$(random)"
done
url() { printf 'http://%s:%s@clickhouse:8123' "$1" "$(cat "$folder/$2")"; }
keep clickhouse_admin_url "$(url default clickhouse_admin_password)"
keep clickhouse_writer_url "$(url pulssi_writer clickhouse_writer_password)"
