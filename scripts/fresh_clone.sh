#!/usr/bin/env bash
# From nothing to the demo's end and a green test run: a fresh clone of this repository's last commit, a clean
# HOME, no packages of ours; each verb is timed.
#   scripts/fresh_clone.sh [VERB...]     default: demo test
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet "$repository" "$folder/baseload"
mkdir "$folder/home"
if [ -d "$repository/../shared" ]; then ln -s "$(cd "$repository/../shared" && pwd)" "$folder/shared"; fi
cd "$folder/baseload"
failed=0
for verb in "${@:-demo test}"; do
  for each in $verb; do
    began=$(date +%s)
    # pip's own settings (an index, certificates) stay; everything else of the caller's environment goes
    if env -i PATH="$PATH" LANG=C.UTF-8 HOME="$folder/home" TERM="${TERM:-dumb}" CI="${CI:-}" \
        $(env | grep -E '^(PIP_|SSL_CERT|REQUESTS_CA)' || true) make "$each"; then
      outcome=ok
    else
      outcome=FAILED
      failed=1
    fi
    echo "make $each: $outcome in $(($(date +%s) - began)) s"
  done
done
exit $failed
