# Sourced by ./run, ./test and the Makefile: system packages, .venv and the compiled words.
# Each step does nothing when its work is already done.

say() { printf '%s\n' "$*" >&2; }

RUN_PACKAGES=(python3-venv libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0)
TEST_PACKAGES=("${RUN_PACKAGES[@]}" chromium poppler-utils postgresql fonts-noto-cjk nginx-light systemd git make)

# Installs the Debian packages named that are missing; a hint when this user may not.
system_packages() {
    command -v dpkg-query >/dev/null || {
        say "ℹ Debian ではないため、次に当たるものを用意してください / not Debian, provide the like of: $*"
        return 0
    }
    local package missing=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ]; then
        say "… システムの部品を入れています / installing: ${missing[*]}"
        # An out-of-date list of one mirror must not stop what the others can give.
        DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
            say "⚠ 入れられませんでした / could not be installed: ${missing[*]}"
    else
        say "ℹ 次を入れてください / please install:"
        say "    sudo apt-get install ${missing[*]}"
    fi
}

# The first Python on this machine that is new enough and can make a .venv; $PYTHON is asked first. The
# distribution's own comes next: it is built with profiles, others often are not (docs/decisions/030).
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "✗ Python 3.11 以上が必要です / Python 3.11 or newer is needed:"
    say "    sudo apt-get install python3 python3-venv"
    return 1
}

# install_locked LOCK: .venv holds just what the lock says, each file by its hash.
install_locked() {
    local lock=$1 stamp=".venv/.installed-$1" sum python
    sum=$(sha256sum "$lock")
    if [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null; then
        [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ] || return 0
    else
        python=$(find_python) || return 1
        rm -rf .venv
        "$python" -m venv .venv || {
            rm -rf .venv
            say "✗ .venv を作れません / cannot make .venv. Debian: sudo apt-get install python3-venv"
            return 1
        }
    fi
    say "… ライブラリを入れています / installing the libraries of $lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" || {
        say "✗ ライブラリを入れられませんでした。ネットワークを確認してください / installation failed, check the network"
        return 1
    }
    # The tools' lock pins all that the application's does.
    [ "$lock" = requirements.lock ] || sha256sum requirements.lock >.venv/.installed-requirements.lock
    printf '%s\n' "$sum" >"$stamp"
}

# The words of every language, as the portal reads them. Nothing is served without them.
compile_words() {
    .venv/bin/python .ci/compile_words.py || {
        say "✗ 言葉が足りないまま動かすことはできません。上の台帳を直してください（git checkout で元に戻せます）"
        say "  Set-up stops: without its words the portal would be Japanese only. Mend the catalogue named above."
        return 1
    }
}

# A folder of this machine's own: the database and a random key that nobody else knows.
make_instance() {
    (
        umask 077
        mkdir -p instance
        if [ ! -s instance/secret_key ]; then
            .venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(48))' >instance/secret_key.new
            mv instance/secret_key.new instance/secret_key
        fi
    )
}
