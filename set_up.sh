#!/bin/sh
# Everything that `make demo` and `make test` need, on a fresh Debian or macOS: a virtual environment with the
# tested versions, Java, and the Delta jars. What is there already is left alone, so a second run needs no network.
set -eu
cd "$(dirname "$0")"
environment=${VENV:-.venv}
python=$environment/bin/python
stamp=$environment/claimlens-installed
java_note=$environment/claimlens-java-home

say() { printf '%s\n' "claimlens set-up: $*" >&2; }
stop() { say "$*"; exit 1; }
quietly_as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
may_use_apt() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}
apt_install() {
    say "installing $1 by apt-get"
    quietly_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# --- Python and the virtual environment
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 && is_new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}
make_environment() {
    base=$(find_python) || stop "no Python 3.11 or newer was found; install one, or name it: make demo PYTHON=/path/to/python3"
    say "creating $environment with $base"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python "$base" "$environment"
    elif "$base" -c 'import ensurepip' 2>/dev/null; then
        "$base" -m venv "$environment"
    elif may_use_apt; then # Debian keeps this part of Python in a package of its own
        version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        quietly_as_root apt-get update -qq >/dev/null
        apt_install "python$version-venv"
        "$base" -m venv "$environment"
    else
        stop "$base cannot make virtual environments; type: sudo apt-get install python3-venv"
    fi
}

# --- Packages
install() {
    if [ -n "$uv" ]; then
        VIRTUAL_ENV=$environment "$uv" pip install --quiet --python "$python" "$@"
    else
        "$python" -m pip install --quiet "$@"
    fi
}
install_packages() {
    uv=$(command -v uv || true)
    if [ -z "$uv" ]; then
        "$python" -m pip install --quiet --disable-pip-version-check uv 2>/dev/null || say "uv cannot be had; taking pip"
        [ -x "$environment/bin/uv" ] && uv=$environment/bin/uv
    fi
    if [ -n "${TORCH_INDEX:-}" ]; then # only torch is taken from there; the rest of the set-up then finds it in place
        torch=$(sed -n 's/^\(torch==.*\)$/\1/p' constraints.txt)
        say "installing $torch from TORCH_INDEX"
        install --no-deps --index-url "$TORCH_INDEX" "$torch"
    fi
    say "installing the tested versions (constraints.txt)"
    install -c constraints.txt -e '.[local,development]' ||
        stop "packages could not be installed: see the lines above; behind a mirror, set UV_DEFAULT_INDEX or PIP_INDEX_URL"
}

# --- Java 17 or 21
java_home_of() { "$1" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.home = //p'; }
is_usable_java() {
    [ -x "$1" ] || return 1
    case $("$1" -version 2>&1 | sed -n 's/^[a-z]* version "\([0-9]*\).*/\1/p') in
        17 | 21) return 0 ;;
        *) return 1 ;;
    esac
}
find_java() {
    for candidate in \
        "${JAVA_HOME:-/nowhere}/bin/java" "$(command -v java || true)" \
        /usr/lib/jvm/*/bin/java /Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java \
        /opt/homebrew/opt/openjdk@17/bin/java /usr/local/opt/openjdk@17/bin/java \
        /opt/homebrew/opt/openjdk@21/bin/java /usr/local/opt/openjdk@21/bin/java; do
        if is_usable_java "$candidate"; then
            java_home_of "$candidate"
            return
        fi
    done
    return 1
}
set_up_java() {
    found=$(find_java || true)
    if [ -z "$found" ]; then
        if may_use_apt; then
            quietly_as_root apt-get update -qq >/dev/null || true
            apt_install openjdk-17-jre-headless || apt_install openjdk-21-jre-headless || true
        elif command -v brew >/dev/null 2>&1; then
            say "installing openjdk@17 by brew"
            brew install --quiet openjdk@17 >/dev/null || true
        fi
        found=$(find_java || true)
    fi
    if [ -z "$found" ]; then
        case $(uname -s) in
            Darwin) stop "Spark needs Java 17 or 21; type: brew install openjdk@17 (or set JAVA_HOME)" ;;
            *) stop "Spark needs Java 17 or 21; type: sudo apt-get install openjdk-17-jre-headless (or set JAVA_HOME)" ;;
        esac
    fi
    printf '%s\n' "$found" >"$java_note"
}

[ -x "$python" ] || make_environment
is_new_enough "$python" || stop "$python is older than 3.11; remove $environment and run this again"
wanted=$(cat pyproject.toml constraints.txt | cksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ]; then
    install_packages
    printf '%s\n' "$wanted" >"$stamp"
fi
set_up_java
JAVA_HOME=$(cat "$java_note") "$python" -m jobs.spark.delta_jars >/dev/null
