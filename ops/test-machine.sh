#!/usr/bin/env bash
# What the tests need besides Python: a Chromium for the browser tests, a PostgreSQL server for those
# of the accounts, and, where Java and Maven are, Apache Kafka for those of the stream (elsewhere they
# use the compatible broker among the Python packages). Does nothing where they are; installs
# Debian's where it may; else says what to do.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v java >/dev/null && command -v mvn >/dev/null && ! compgen -G '.venv/kafka/kafka_*.jar' >/dev/null; then
    echo "fetching Apache Kafka for the tests"
    mvn -q -f tests/kafka/pom.xml dependency:copy-dependencies \
        -DoutputDirectory="$PWD/.venv/kafka" -DincludeScope=runtime ||
        echo "without Apache Kafka: the tests of the stream use the compatible broker" >&2
fi

wanted=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || wanted+=(chromium)
[ -n "${NHI_TEST_POSTGRES_URL:-}" ] || command -v initdb >/dev/null ||
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || wanted+=(postgresql)
[ ${#wanted[@]} -eq 0 ] && exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "The tests need ${wanted[*]} on this machine; install it and run make test again." >&2
    exit 1
fi
echo "installing ${wanted[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq -y --no-install-recommends "${wanted[@]}" >/dev/null
