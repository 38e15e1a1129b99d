#!/usr/bin/env bash
# Feeds every parser of outside bytes with mutated reports, pages, mapping files and notices, two parsers at a time.
#
# usage: fuzz/run.sh [SECONDS]      how long each is fed, 60 unless said
#
# Begins with the fixtures and with what earlier runs found (fuzz/corpus). What makes a parser fail stays in
# fuzz/artifacts; `fuzz/target/*/release/PARSER FILE` shows it again.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}

cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked --debug cargo-fuzz@0.13.1
cp ../Cargo.lock Cargo.lock
# The compiler's own coverage, which needs no nightly compiler this way.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --fuzz-dir . --sanitizer none

parsers=$(basename -s .rs targets/*.rs)
for parser in $parsers; do
    mkdir -p "corpus/$parser" "artifacts/$parser"
done
fixtures=../shared/providers/src
seed() { # parser, file, name of the seed
    [ -e "corpus/$1/$3" ] || cp "$2" "corpus/$1/$3"
}
for file in "$fixtures"/stripe/fixtures/*/report.csv; do
    seed stripe_csv "$file" "$(basename "$(dirname "$file")")"
done
for file in "$fixtures"/vipps_mobilepay/fixtures/*/report.csv; do
    seed vipps_csv "$file" "$(basename "$(dirname "$file")")"
done
for file in "$fixtures"/vipps_mobilepay/fixtures/*/*.xml; do
    seed vipps_xml "$file" "$(basename "$(dirname "$file")")"
done
for file in "$fixtures"/vipps_mobilepay/fixtures/*/*.json; do
    seed vipps_json "$file" "$(basename "$(dirname "$file")")"
done
for file in seeds/*/*; do
    seed "$(basename "$(dirname "$file")")" "$file" "$(basename "$file")"
done
pages="$fixtures/stripe/fixtures/two-pages"
{ cat "$pages/rows-1.json"; printf '\0'; cat "$pages/rows-2.json"; } >corpus/stripe_json/two-pages
for file in ../tests/homes/*/config/*.toml; do
    seed config "$file" "$(basename "$file")"
done

feed() {
    target/*/release/"$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 -malloc_limit_mb=128 -max_len=65536 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="artifacts/$1/" "corpus/$1" >"artifacts/$1.log" 2>&1 || {
        tail -n 30 "artifacts/$1.log"
        echo "$1: FAILED"
        return 1
    }
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "artifacts/$1.log")
    peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "artifacts/$1.log")
    echo "$1: $runs inputs, peak memory $peak MB"
}
export -f feed
export seconds
printf '%s\n' $parsers | xargs -P 2 -I {} bash -c 'feed {}'
