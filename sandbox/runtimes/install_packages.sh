#!/bin/sh
# install_packages.sh FILE - installs what a session asked for, from the folders of packages that the operator offers, and from the
# site's index where it has one. FILE has a line `requirements NAME…` or `npm NAME[@RANGE]` for each, and `index KIND URL` where
# the agent listens for the index. No code of a package runs here: wheels only, and no scripts of npm. The last lines are what
# the client is told.
exec 2>&1
file=$1
data=$(dirname "$(dirname "$0")")
folders=
for folder in "$data/packages" /opt/spillway/packages; do
    [ -d "$folder" ] && folders="$folders $folder"
done
index_of() {
    sed -n "s/^index $1 //p" "$file"
}

if [ -z "$folders" ] && ! grep -q '^index ' "$file"; then
    echo "this site offers no packages"
    exit 1
fi

python_packages() {
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    sed -n 's/^requirements //p' "$file" >"$list"
    [ -s "$list" ] || return 0
    if python3 -m pip --version >/dev/null 2>&1; then
        pip="-m pip"
    else
        pip=$(ls /usr/share/python-wheels/pip-*.whl 2>/dev/null | head -n 1)/pip
        [ -e "${pip%/pip}" ] || { echo "this environment has no pip"; return 1; }
    fi
    links=
    for folder in $folders; do
        links="$links --find-links=$folder"
    done
    index=$(index_of requirements)
    index=${index:+--index-url=$index}
    # The time-out is the session's own; the wait for an answer may be long.
    # shellcheck disable=SC2086
    PIP_CONFIG_FILE=/dev/null PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_CACHE_DIR=1 \
        PIP_RETRIES=2 PIP_DEFAULT_TIMEOUT=3600 no_proxy=127.0.0.1 \
        python3 $pip install --user ${index:---no-index} $links --only-binary=:all: --progress-bar=off --no-warn-script-location -r "$list"
}

npm_packages() {
    grep -q '^npm ' "$file" || return 0
    command -v node >/dev/null || { echo "this environment has no Node.js"; return 1; }
    # shellcheck disable=SC2046,SC2086
    no_proxy=127.0.0.1 node "$(dirname "$0")/install_npm.js" "$file" $folders
}

python_packages && npm_packages
