# shellcheck shell=sh
# Sourced by scripts/run and scripts/test. `set_up EXTRAS` makes $venv hold the checkout, $root, with these extras, at
# the versions of requirements.lock; where it already does, nothing is started but a Python that prints its version.

root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
venv=$root/.venv
log=$venv/set-up.log

say() {
    echo "scripts/${0##*/}: $1" >&2
}

fail() { # STATUS MESSAGE
    say "$2"
    exit "$1"
}

python_version() { # PYTHON
    "$1" -ISc 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_new_enough() { # PYTHON
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.13 python3.12 python3.11
    fi
    for candidate; do
        if is_new_enough "$candidate"; then
            python=$candidate
            "$python" -c 'import ensurepip, venv' 2>/dev/null ||
                fail 2 "$python has no venv module; install it (Debian, Ubuntu: apt install python3-venv)"
            return
        fi
    done
    found=$("$1" --version 2>&1) && found="$1 is $found" || found="there is no $1"
    fail 2 "Python 3.11 or newer is needed and $found; install one, or name one: PYTHON=/path/to/python3.11 $0"
}

# .venv is whole, was made in this place (its commands name it), and is of the Python that was asked for.
venv_fits() {
    [ ! -e "$venv/.incomplete" ] && grep -q -F "$venv" "$venv/bin/activate" && is_new_enough "$venv/bin/python" &&
        "$venv/bin/python" -m pip --version >/dev/null &&
        { [ -z "${PYTHON:-}" ] || [ "$(python_version "$PYTHON")" = "$(python_version "$venv/bin/python")" ]; }
} 2>/dev/null

make_venv() {
    say "making .venv with $("$python" --version)"
    rm -rf "$venv"
    mkdir "$venv"
    : >"$venv/.incomplete"
    "$python" -m venv "$venv" >"$log" 2>&1 || fail 1 "no virtual environment could be made: $(tail -n 1 "$log")"
}

install() { # EXTRAS
    say "installing finetune[$1] into .venv; the first time this fetches PyTorch and takes minutes"
    (cd "$root" && PIP_USER=0 "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check \
        --constraint requirements.lock --editable ".[$1]") >"$log" 2>&1 ||
        fail 1 "pip could not install what finetune needs: $(reason) (all of it: .venv/set-up.log)"
    rm -f "$venv/.incomplete"
}

# A package index that did not answer is the reason, whatever pip concludes from it.
reason() {
    broken=$(sed -n "s/.*connection broken by '\(.*\)': .*/\1/p" "$log" | head -n 1)
    error=$(sed -n 's/^ *ERROR: //p' "$log" | tail -n 1)
    if [ -n "$broken" ]; then
        cause=${broken##*>: }
        echo "the package index cannot be reached: ${cause%"')"}"
    else
        echo "${error:-$(tail -n 1 "$log")}"
    fi
}

# All that decides what .venv holds.
fingerprint() {
    wants=$(cat "$root/pyproject.toml" "$root/requirements.lock" | cksum)
    echo "$(python_version "${PYTHON:-$venv/bin/python}") $root $wants"
}

is_set_up() { # EXTRAS
    [ -f "$venv/.finetune-$1" ] && [ "$(cat "$venv/.finetune-$1")" = "$(fingerprint)" ]
}

mark_set_up() { # EXTRAS
    fingerprint >"$venv/.finetune-$1"
}

# The lock belongs to descriptor 9, which Python inherits: it holds until the shell closes it.
wait_for_others() {
    "$python" -c '
import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("waiting for another set-up of this checkout", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
'
}

set_up() { # EXTRAS: peft,samples for what the README shows, or test, which includes these
    is_set_up "$1" && return
    if venv_fits; then python=$venv/bin/python; else find_python; fi
    (
        wait_for_others
        is_set_up "$1" && exit
        venv_fits || make_venv
        install "$1"
        mark_set_up "$1"
        [ "$1" != test ] || mark_set_up peft,samples
    ) 9>>"$root/scripts/setup.sh"
}
