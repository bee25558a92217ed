# shellcheck shell=bash disable=SC2034 # the variables are for those that source this
# What setup, up and down share: where things are, and how a background process is started, found and stopped.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
state=$root/target/local
venv=$root/.venv
say() { printf '%s\n' "$*"; }
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    (($# == 0)) || printf '  %s\n' "$@" >&2
    exit 1
}

# What to put before a command that needs root.
as_root=()
((EUID == 0)) || as_root=(sudo)

# install_packages NAME…: Debian packages, as root or with sudo.
install_packages() {
    command -v apt-get >/dev/null ||
        die "these are missing: $*" "install them with your system's package manager (the names are Debian's), then run this again"
    ((EUID == 0)) || command -v sudo >/dev/null ||
        die "these packages are missing, and there is neither root nor sudo: $*" "have them installed: apt-get install $*"
    say "installing $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# When a process was started, in ticks since boot: with its pid, its identity.
started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The command's name, in brackets, may hold spaces: count from behind it.
    read -ra stat <<<"${stat##*) }"
    # A zombie has ended.
    [[ ${stat[0]} != Z ]] && printf '%s' "${stat[19]}"
}

# The pid of a process that `start` started, if it still runs.
running() {
    local pid born
    [[ -f $state/$1.pid ]] && read -r pid born <"$state/$1.pid" || return 1
    [[ $(started_at "$pid") == "$born" ]] && printf '%s' "$pid"
}

# The environment `local` in pipeline.yaml names this port.
cloud_port=4566
kafka_port=9092

# tests/support/github.rs names this port.
github_port=4010

# tests/support/postgres.rs names this port.
postgres_port=5434

# The demonstration of `pipeline serve` listens here.
serve_port=8087

# The emulator labels its containers with this and its port.
host_label=pipeline-local

# start NAME COMMAND…: runs a command in the background, in a session of its own, with its output in NAME.log.
start() {
    local name=$1 pid
    shift
    setsid "$@" </dev/null >"$state/$name.log" 2>&1 &
    pid=$!
    disown "$pid"
    printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$state/$name.pid"
}

# wait_for NAME SECONDS COMMAND…: until the command succeeds, the process NAME ends, or the time is over.
wait_for() {
    local name=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ! running "$name" >/dev/null; then give_up "$name ended at once"; fi
        ((SECONDS < deadline)) || give_up "$name does not answer"
        sleep 0.2
    done
}

give_up() {
    tail -n 15 "$state/${1%% *}.log" >&2
    die "$1; above is the end of its log, $state/${1%% *}.log" "after a fix: local/down && local/up"
}

# stop NAME SECONDS: ends a process that `start` started, and no other.
stop() {
    local name=$1 deadline=$((SECONDS + $2)) pid
    if pid=$(running "$name"); then
        signal TERM "$pid"
        while running "$name" >/dev/null; do
            ((SECONDS < deadline)) || { signal KILL "$pid"; break; }
            sleep 0.1
        done
        say "stopped $name"
    fi
    rm -f "$state/$name.pid"
}

signal() {
    if [[ -O /proc/$2 ]]; then kill "-$1" "$2"; else "${as_root[@]}" kill "-$1" "$2"; fi
}
