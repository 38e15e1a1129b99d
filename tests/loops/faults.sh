#!/usr/bin/env bash
# Kills `bilag run` at random moments while one in five calls to the simulated systems goes wrong, then lets it finish,
# and checks that every sound payout is exactly one right voucher with one document.
#
# usage: faults.sh BILAG [KILLS [PAYOUTS [PERCENT]]]
#
# Calls go wrong in every way that a network has: answers lost before and after the effect, too many calls, broken pages,
# cut bodies, vouchers that searches find only seconds later. LOOP_SEED=n repeats the same world and waits.
set -eu

if [ $# -lt 1 ]; then
    sed -n '2,8p' "$0"
    exit 2
fi
bilag=$(realpath "$1")
kills=${2:-100}
payouts=${3:-40}
percent=${4:-20}
here=$(dirname "$(realpath "$0")")
seed=${LOOP_SEED:-$(($(date +%s) % 30000))}
RANDOM=$seed

work=$(mktemp -d)
home=$work/home
server=
pid=
clean() {
    for process in $pid $server; do
        kill -9 "$process" 2>/dev/null || true
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
    echo "fault loop: FAILED after $hits kills (seed $seed, $payouts payouts, $percent %): $1"
    tail -n 5 "$work/run.err" >&2 || true
    exit 1
}

hits=0
"$bilag" --json sandbox --port 0 --home "$home" --seed "$seed" --payouts "$payouts" --faults "$percent" \
    --visible-after 3 >"$work/sandbox.out" 2>"$work/sandbox.err" &
server=$!
for _ in $(seq 100); do
    base=$(sed -n 's/.*"base":"\([^"]*\)".*/\1/p' "$work/sandbox.out")
    [ -n "$base" ] && break
    sleep 0.1
done
[ -n "$base" ] || fail "the sandbox did not start: $(cat "$work/sandbox.err")"

started=$(date +%s)
starts=0
while [ "$hits" -lt "$kills" ]; do
    starts=$((starts + 1))
    [ "$starts" -le $((kills * 5 + 20)) ] || fail "$starts starts but too few kills hit a working process"
    # Mostly short, now and then long enough to come to something.
    case $((RANDOM % 4)) in
        0) wait_ms=$((RANDOM % 9000)) ;;
        1) wait_ms=$((RANDOM % 3000)) ;;
        *) wait_ms=$((RANDOM % 1000)) ;;
    esac
    "$bilag" run "$home" --wait 60 >/dev/null 2>>"$work/run.err" &
    pid=$!
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -9 "$pid" 2>/dev/null || true
    code=0
    wait "$pid" 2>/dev/null || code=$?
    pid=
    [ "$code" = 137 ] && hits=$((hits + 1))
    [ $((hits % 10)) = 0 ] && { python3 "$here/check_sandbox.py" "$base" --partial >"$work/check.out" || [ $? = 1 ] ||
        fail "$(cat "$work/check.out")"; }
done

killed=$(($(date +%s) - started))
for pass in $(seq 40); do
    "$bilag" run "$home" --wait 150 >"$work/last.out" 2>>"$work/run.err" || true
    code=0
    python3 "$here/check_sandbox.py" "$base" >"$work/check.out" || code=$?
    [ "$code" = 2 ] && fail "$(cat "$work/check.out")"
    [ "$code" = 0 ] && break
done
[ "$code" = 0 ] || fail "not finished: $(cat "$work/check.out"); $(tail -n 1 "$work/last.out")"

echo "fault loop: ok, $hits kills in $killed s, then $pass runs to the end after $(($(date +%s) - started)) s:" \
    "$(cat "$work/check.out"), seed $seed"
