#!/usr/bin/env bash
# What the tests need besides Python: a Chromium for the browser tests, a PostgreSQL server for those
# of the accounts, strip for the steps of the image, and, where Java and Maven are, Apache Kafka for
# those of the stream (elsewhere they use the compatible broker among the Python packages); promtool
# for the alerts and, where Go is, what reads compose files (elsewhere those tests are skipped). Does
# nothing where they are; installs Debian's where it may; else says what to do.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v java >/dev/null && command -v mvn >/dev/null && ! compgen -G '.venv/kafka/kafka_*.jar' >/dev/null; then
    echo "fetching Apache Kafka for the tests"
    mvn -q -f tests/kafka/pom.xml dependency:copy-dependencies \
        -DoutputDirectory="$PWD/.venv/kafka" -DincludeScope=runtime ||
        echo "without Apache Kafka: the tests of the stream use the compatible broker" >&2
fi

# Built in the module's own folder, since its go.mod has what "go install" doesn't take.
build() { # program module@version package
    local dir
    dir=$(go mod download -json "$2" | sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p')
    (cd "$dir" && go build -buildvcs=false -o "$tools/$1" "$3")
}
tools="$PWD/.venv/tools"
mkdir -p "$tools"
# Debian's package has promtool; unpacked here, nothing of it is installed or started.
unpack_promtool() {
    local folder
    folder=$(mktemp -d)
    (cd "$folder" && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .) &&
        mv "$folder/usr/bin/promtool" "$tools/promtool"
    rm -rf "$folder"
    [ -x "$tools/promtool" ]
}
if ! command -v promtool >/dev/null && [ ! -x "$tools/promtool" ]; then
    { command -v apt-get >/dev/null && { unpack_promtool || { apt-get update -qq && unpack_promtool; }; } 2>/dev/null; } ||
        { command -v go >/dev/null && echo "building promtool for the tests: some minutes, once" &&
            build promtool github.com/prometheus/prometheus@v0.308.0 ./cmd/promtool; } ||
        echo "without promtool: the alerts are not tried" >&2
fi
if command -v go >/dev/null && [ ! -x "$tools/compose-spec" ]; then
    build compose-spec github.com/compose-spec/compose-go/v2@v2.16.2 ./cmd ||
        echo "without compose-spec: the compose file is not read by a client" >&2
fi

wanted=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
    command -v google-chrome >/dev/null || wanted+=(chromium)
[ -n "${NHI_TEST_POSTGRES_URL:-}" ] || command -v initdb >/dev/null ||
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || wanted+=(postgresql)
command -v strip >/dev/null || wanted+=(binutils)
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
