#!/bin/sh
# Runs every test of Holdfast, and installs what they need first (as root on Debian or Ubuntu).
#
# Tests that meet the real kernel make network namespaces and need root; the ones that compare with keepalived, FRR,
# nginx, HAProxy, MariaDB and iproute2 need those packages, those of IPVS a kernel that has it (user-mode-linux). Without root they say
# "skipped: needs root".
set -eu
cd "$(dirname "$0")/.."

packages="keepalived frr iproute2 nftables strace nginx-light haproxy mariadb-server curl dnsmasq-base python3-minimal python3-aiosmtpd kmod user-mode-linux ipvsadm ca-certificates gcc libc6-dev"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    missing=""
    for package in $packages; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        export DEBIAN_FRONTEND=noninteractive
        # Nothing that gets installed here may start by itself.
        [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; made_policy=1; }
        apt-get update -qq
        # shellcheck disable=SC2086 # a list of names
        apt-get install -y -qq --no-install-recommends $missing
        [ -z "${made_policy:-}" ] || rm -f /usr/sbin/policy-rc.d
    fi
fi

exec cargo test --workspace --no-fail-fast "$@"
