#!/bin/sh
# Installs a package of holdfast over keepalived, runs it under systemd and removes it again, all inside a virtual
# machine (User-Mode Linux, this machine's root below a memory overlay): nothing here is touched. As root:
#
#     sh packaging/try.sh PACKAGE.deb
#
# Needs the packages user-mode-linux, kmod, systemd, ipvsadm and iproute2.
set -eu

if [ "$(id -u)" != 0 ]; then
    echo "skipped: needs root"
    exit 0
fi
package=$(realpath "$1")
here=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/init" <<END
#!/bin/sh
# The machine's first process: an overlay that forgets, then systemd with one unit.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/m/lib/modules /run/over/upper /run/over/work /run/root
ln -s "/usr/lib/uml/modules/\$(uname -r)" "/run/m/lib/modules/\$(uname -r)"
for module in overlay dummy; do modprobe -d /run/m \$module; done
mount -t overlay overlay -o lowerdir=/,upperdir=/run/over/upper,workdir=/run/over/work /run/root
root=/run/root
rm -f \$root/etc/systemd/system/*.wants/* \$root/etc/machine-id
for unit in systemd-networkd-wait-online NetworkManager-wait-online; do ln -sf /dev/null \$root/etc/systemd/system/\$unit.service; done
cp "$package" \$root/holdfast.deb
# The kernel's modules where the service looks for them.
mkdir -p \$root/lib/modules
ln -sfn "/usr/lib/uml/modules/\$(uname -r)" "\$root/lib/modules/\$(uname -r)"
cp "$here/try-inside.sh" \$root/try-inside.sh
cat >\$root/etc/systemd/system/try.service <<UNIT
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh /try-inside.sh
ExecStopPost=/bin/sh -c 'echo o > /proc/sysrq-trigger'
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
TimeoutStartSec=infinity
UNIT
mount --move /proc \$root/proc
mount --move /sys \$root/sys
mount -t tmpfs tmpfs \$root/run
mount -t tmpfs tmpfs \$root/tmp
mount -t devtmpfs devtmpfs \$root/dev
mount -t cgroup2 cgroup2 \$root/sys/fs/cgroup
exec chroot \$root /lib/systemd/systemd --unit=try.service --show-status=no --log-level=warning
END
chmod +x "$work/init"

timeout -k 5 600 linux.uml mem=512M root=/dev/root rootfstype=hostfs rootflags=/ rw quiet \
    init="$work/init" con=null con0=fd:0,fd:1 </dev/null >"$work/console" 2>&1 || true
tr -d '\r' <"$work/console" | sed -n 's/^try: //p'
if ! grep -q '^try: all is well' "$work/console"; then
    echo "the package does not work under systemd; the console said:" >&2
    cat "$work/console" >&2
    exit 1
fi
