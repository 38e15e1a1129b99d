#!/usr/bin/env bash
# Starts two `bilag run` on one home at once: one works, the other names it and exits 3; nothing is booked twice.
#
# usage: two-runs.sh BILAG [SETTLEMENTS]
#
# If the first run was over before the second looked, the home is made bigger, up to five times. KEEP=1 leaves the last
# home behind for a look.
set -eu

if [ $# -lt 1 ]; then
    sed -n '2,7p' "$0"
    exit 2
fi
bilag=$(realpath "$1")
settlements=${2:-500}
here=$(dirname "$(realpath "$0")")

work=$(mktemp -d)
home=
one=
two=
clean() {
    for pid in $one $two; do
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ -n "${KEEP:-}" ]; then
        echo "left behind: $home" >&2
    else
        rm -rf "$work"
    fi
}
trap clean EXIT
trap 'exit 130' INT TERM

fail() {
    echo "two runs: FAILED with $settlements settlements: $1"
    exit 1
}

for attempt in 1 2 3 4 5; do
    home="$work/home-$attempt"
    python3 "$here/make_home.py" "$home" "$settlements" 4 "$attempt"
    "$bilag" run "$home" --json >"$work/one" 2>&1 &
    one=$!
    "$bilag" run "$home" --json >"$work/two" 2>&1 &
    two=$!
    code_one=0
    code_two=0
    wait "$one" || code_one=$?
    wait "$two" || code_two=$?
    case "$code_one $code_two" in
        "0 3") winner=$one loser=$work/two ;;
        "3 0") winner=$two loser=$work/one ;;
        "0 0")
            one=
            two=
            rm -rf "$home" "$home.expected.json"
            settlements=$((settlements * 4))
            continue
            ;;
        *)
            tail -n 5 "$work/one" "$work/two" >&2
            fail "the runs exited $code_one and $code_two; one must exit 0 and the other 3"
            ;;
    esac
    one=
    two=
    if ! grep -qw -- "$winner" "$loser"; then
        tail -n 5 "$loser" >&2
        fail "the refused run does not name process $winner, which holds the home"
    fi
    python3 "$here/check_home.py" "$bilag" "$home" || fail "the home is not whole"
    echo "two runs: ok, one worked, the other exited 3 and named it; $settlements settlements booked once"
    exit 0
done
fail "the runs never overlapped"
