#!/usr/bin/env bash
# Fetches one huge payout from the simulated Stripe in short pieces, killed and started again in between, and checks
# that it is booked exactly once with the right sums, in little memory.
#
# usage: million.sh BILAG [ROWS [KILLS]]
#
# Stripe's pace of 20 calls a second with 100 rows each makes 1,000,000 rows last some ten minutes; 30,000 are the
# default. KEEP=1 leaves the home behind for a look.
set -eu

if [ $# -lt 1 ]; then
    sed -n '2,8p' "$0"
    exit 2
fi
bilag=$(realpath "$1")
rows=${2:-30000}
kills=${3:-3}
# The most memory that a run may take, in MB.
memory_max=64
piece=2
here=$(dirname "$(realpath "$0")")

work=$(mktemp -d)
home=$work/home
server=
clean() {
    for process in $server; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    if [ -n "${KEEP:-}" ]; then
        echo "left behind: $work" >&2
    else
        rm -rf "$work"
    fi
}
trap clean EXIT
trap 'exit 130' INT TERM

fail() {
    echo "million: FAILED with $rows rows: $1"
    tail -n 5 "$work/run.err" >&2 || true
    exit 1
}

"$bilag" --json sandbox --port 0 --home "$home" --payouts 0 --sound-only --huge "$rows" \
    >"$work/sandbox.out" 2>"$work/sandbox.err" &
server=$!
base=
for _ in $(seq 100); do
    base=$(sed -n 's/.*"base":"\([^"]*\)".*/\1/p' "$work/sandbox.out")
    [ -n "$base" ] && break
    sleep 0.1
done
[ -n "$base" ] || fail "the sandbox did not start: $(cat "$work/sandbox.err")"

# Vipps MobilePay has nothing here but a pace of its own.
sed -i '/^\[connections\.counter\]/,/^\[accounts\]/{/^\[accounts\]/!d}' "$home/config/sandbox.toml"

peak=0
# run SECONDS: one run, killed after so long; sets code.
run() {
    python3 "$here/measured.py" "$1" "$bilag" run "$home" --piece "$piece" --wait 60 \
        >"$work/measured" 2>>"$work/run.err" || fail "the run cannot be measured"
    read -r code kilobytes <"$work/measured"
    if [ "$kilobytes" -gt "$peak" ]; then
        peak=$kilobytes
    fi
}

started=$(date +%s%3N)
# Kills spread over the time that the calls take at least.
gap=$((rows / 2000 / (kills + 2)))
gap=$((gap > 3 ? gap : 3))
hits=0
while [ "$hits" -lt "$kills" ]; do
    run "$gap"
    [ "$code" = 137 ] || fail "a run ended with $code before it was killed; give more rows"
    hits=$((hits + 1))
done
run 0
took=$(($(date +%s%3N) - started))
[ "$code" = 0 ] || fail "the last run ended with $code"

python3 "$here/check_sandbox.py" "$base" >"$work/check.out" || fail "$(cat "$work/check.out")"
megabytes=$(((peak + 1023) / 1024))
[ "$megabytes" -le "$memory_max" ] || fail "peak memory $megabytes MB, at most $memory_max MB"
echo "million: ok, $rows rows in $((took / 1000)).$((took % 1000 / 100)) s ($((rows * 1000 / took)) rows a second)," \
    "$hits kills, peak memory $megabytes MB (at most $memory_max): $(cat "$work/check.out")"
