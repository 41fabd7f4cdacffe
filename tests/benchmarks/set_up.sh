#!/bin/sh
# The benchmark's own environment: the peers alone, in front of the project's packages, which it reads where they are.
# Nothing is installed twice (torch is 5 GB), and the project's environment stays as it is.
set -eu
cd "$(dirname "$0")/../.."
project=${VENV:-.venv}
environment=${BENCH_VENV:-.venv-bench}
peers=tests/benchmarks/constraints.txt
stamp=$environment/claimlens-installed

say() { printf '%s\n' "claimlens bench: $*" >&2; }
stop() { say "$*"; exit 1; }

[ -x "$project/bin/python" ] || stop "$project is missing; run make setup first"
wanted=$(cksum <"$peers")
[ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || exit 0

packages_of() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
uv=$(command -v uv || true)
[ -n "$uv" ] || [ ! -x "$project/bin/uv" ] || uv=$project/bin/uv
say "creating $environment for the peers"
rm -rf "$environment"
if [ -n "$uv" ]; then
    "$uv" venv --quiet --python "$project/bin/python" "$environment"
else
    "$project/bin/python" -m venv "$environment"
fi
install() {
    if [ -n "$uv" ]; then
        "$uv" pip install --quiet --python "$environment/bin/python" --no-deps "$@"
    else
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$@"
    fi
}
if [ -n "${TORCH_INDEX:-}" ]; then # torchvision has to be of the same build as torch
    install --index-url "$TORCH_INDEX" "$(sed -n 's/^\(torchvision==.*\)$/\1/p' "$peers")"
fi
install -r "$peers" || stop "the peers could not be installed: see the lines above; behind a mirror, set UV_DEFAULT_INDEX or PIP_INDEX_URL"
printf 'import site; site.addsitedir("%s")\n' "$(packages_of "$project/bin/python")" \
    >"$(packages_of "$environment/bin/python")/claimlens-project.pth"
"$environment/bin/python" -m tests.benchmarks.environment "$project" || stop "$environment is not usable"
printf '%s\n' "$wanted" >"$stamp"
