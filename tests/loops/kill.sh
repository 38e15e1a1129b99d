#!/usr/bin/env bash
# Kills `bilag run` at random moments, over and over, and checks that every payout is booked exactly once.
#
# usage: kill.sh BILAG [KILLS [SETTLEMENTS]]
#
# A kill counts only if it ended a process that still worked on a home with unbooked payouts. When a home is booked, it
# is checked and replaced by a fresh one. LOOP_SEED=n repeats the same homes and waits (not the same machine timing);
# KEEP=1 leaves the last home behind for a look.
set -eu

if [ $# -lt 1 ]; then
    sed -n '2,8p' "$0"
    exit 2
fi
bilag=$(realpath "$1")
kills=${2:-100}
settlements=${3:-200}
here=$(dirname "$(realpath "$0")")
seed=${LOOP_SEED:-$(($(date +%s) % 30000))}
RANDOM=$seed

work=$(mktemp -d)
home=
pid=
clean() {
    if [ -n "$pid" ]; then
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    fi
    if [ -n "${KEEP:-}" ]; then
        echo "left behind: $home" >&2
    else
        rm -rf "$work"
    fi
}
trap clean EXIT
trap 'exit 130' INT TERM

homes=0
fresh() {
    if [ -n "$home" ]; then
        rm -rf "$home" "$home.expected.json"
    fi
    homes=$((homes + 1))
    home="$work/home-$homes"
    python3 "$here/make_home.py" "$home" "$settlements" 4 "$((seed + homes))"
}

# How many transactions stand in the journal; a torn last one may be among them, the check finds it.
booked() {
    grep -c '^[0-9-]* [*!] (stripe:' "$home/out/loop/journal.hledger" 2>/dev/null || true
}

fail() {
    echo "kill loop: FAILED after $hits kills on $homes homes (seed $seed, $settlements settlements): $1"
    exit 1
}

check() {
    python3 "$here/check_home.py" "$bilag" "$home" || fail "the home is not whole"
}

now_ms() { date +%s%3N; }

hits=0
starts=0
early=0

# One run without a kill: it must work at all, and its duration bounds the waits, so that most kills hit.
fresh
begin=$(now_ms)
"$bilag" run "$home" --json >"$work/first.out" 2>"$work/first.err" || {
    tail -n 5 "$work/first.err" "$work/first.out" >&2
    fail "a run without any kill did not exit 0"
}
whole_ms=$(($(now_ms) - begin))
check
fresh

longest=$((whole_ms < 400 ? whole_ms : 400))
longest=$((longest > 10 ? longest : 10))
while [ "$hits" -lt "$kills" ]; do
    if [ "$(booked || true)" = "$settlements" ]; then
        check
        fresh
    fi
    starts=$((starts + 1))
    if [ "$starts" -gt $((kills * 50 + 100)) ]; then
        fail "$starts starts but too few kills hit a working process; give more settlements"
    fi
    wait_ms=$((5 + (RANDOM * 32768 + RANDOM) % (longest - 4)))
    "$bilag" run "$home" --json >/dev/null 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -9 "$pid" 2>/dev/null || true
    code=0
    wait "$pid" 2>/dev/null || code=$?
    pid=
    case $code in
        137) hits=$((hits + 1)) ;;
        0)
            early=$((early + 1))
            check
            fresh
            ;;
        *) fail "a run after a kill exited $code" ;;
    esac
done
check

echo "kill loop: ok, $hits kills hit a working process ($early runs ended first), $homes homes of $settlements" \
    "settlements checked, whole run ${whole_ms} ms, seed $seed"
