#!/usr/bin/env bash
# A drill: is what we call a backup one? It copies a store, restores the copy elsewhere, runs `rosterd verify` on it and
# compares audit and licenses with the original. The original is only read. Exit status 0: the copy is as good as the store.
#
#   deploy/drill.sh                              a demo store, made for it
#   deploy/drill.sh /etc/rosterd/rosterd.toml    the SQLite store of this installation; also while the daemon works
#   deploy/drill.sh CONFIG postgres://…/rosterd postgres://…/rosterd_drill
#                                                a PostgreSQL store into an empty database, with pg_dump and pg_restore
#
# ROSTERD names the program; by default `rosterd` of the PATH.
set -euo pipefail

rosterd=${ROSTERD:-rosterd}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf '%s\n' "$*"; }

config=${1:-}
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
if [ -z "$config" ]; then
  say "== a demo store"
  "$rosterd" demo --once --dir "$work/demo" > "$work/demo.log"
  config=$work/demo/rosterd.toml
  now=2025-10-08T08:00:00Z
  from=sqlite:$work/demo/rosterd.db
else
  from=${2:-${ROSTERD__STORE__URL:-}}
fi

# Asks one of the two stores: `ask original|copy COMMAND…`
ask() {
  local url=$from
  [ "$1" = original ] || url=$to
  shift
  if [ -n "$url" ]; then export ROSTERD__STORE__URL=$url; else unset ROSTERD__STORE__URL; fi
  "$rosterd" --config "$config" "$@"
}

begun=$SECONDS
case $from in
  postgres*)
    to=${3:?name an empty database to restore into}
    say "== pg_dump, and pg_restore into the other database"
    pg_dump --format=custom --file="$work/copy.dump" "$from"
    copied=$((SECONDS - begun)) size=$(du -h "$work/copy.dump" | cut -f1) begun=$SECONDS
    pg_restore --exit-on-error --no-owner --dbname="$to" "$work/copy.dump"
    ;;
  *)
    say "== rosterd backup, and the copy to another folder"
    to=
    mkdir "$work/backup" "$work/restored"
    ask original backup "$work/backup/rosterd.db"
    copied=$((SECONDS - begun)) size=$(du -ch "$work"/backup/*.db | tail -n 1 | cut -f1) begun=$SECONDS
    cp "$work/backup/rosterd.db" "$work/backup/rosterd-queue.db" "$work/restored/"
    rm -r "$work/backup"
    to=sqlite:$work/restored/rosterd.db
    ;;
esac

say "== verify the copy: audit chain, its fold against the store, every seat invariant"
ask copy verify
restored=$((SECONDS - begun))

say "== the copy is a beginning of the original"
ask copy audit checkpoint > "$work/checkpoint.jsonl"
ask original audit verify --checkpoint "$work/checkpoint.jsonl"

say "== licenses"
ask copy licenses --json --now "$now" > "$work/copy.json"
ask original licenses --json --now "$now" > "$work/original.json"
ask original audit checkpoint > "$work/after.jsonl"
heads() { sed 's/,"at":"[^"]*"//' "$1"; }
if [ "$(heads "$work/checkpoint.jsonl")" != "$(heads "$work/after.jsonl")" ]; then
  say "the original went on while it was copied, so its licenses may be others: not compared"
elif cmp "$work/copy.json" "$work/original.json"; then
  say "the same, $(wc -c < "$work/copy.json") bytes of JSON"
else
  say "THE LICENSES DIFFER"
  exit 1
fi
say "drill passed: copied in $copied s ($size), restored and verified in $restored s"
