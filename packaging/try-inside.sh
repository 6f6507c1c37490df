#!/bin/sh
# What try.sh does inside the virtual machine, under systemd. Each line that matters begins with `try:`.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive

say() { echo "try: $*"; }
fail() {
    echo "try: failed: $*"
    systemctl status --no-pager --full holdfast || true
    journalctl --no-pager -u holdfast 2>/dev/null | tail -50 || true
    exit 1
}
# until_ WHAT COMMAND...: waits for a condition, 60 s at most.
until_() {
    what=$1
    shift
    for _ in $(seq 600); do
        if "$@" >/dev/null 2>&1; then
            say "$what"
            return 0
        fi
        sleep 0.1
    done
    fail "$what"
}
has_address() { ip -brief address show dev dummy0 | grep -q 192.0.2.10; }
has_no_address() { ! has_address; }
main_pid() { systemctl show --property=MainPID --value holdfast; }
children() { pgrep -P "$(main_pid)"; }
child() { cat "/run/$1.pid"; }
told() { grep -q "$1" /run/told; }
# ipvsadm would load the kernel's IPVS by itself, which is to be seen of the service.
balances() { [ -e /proc/net/ip_vs ] && ipvsadm -Sn | grep -q -- "-a -t 192.0.2.10:80 -r 192.0.2.1:$1 "; }
balances_not() { ! balances "$1"; }
hears() { grep -q ":$(printf %04X 4784) " /proc/net/udp /proc/net/udp6; }

ip link add dummy0 type dummy
ip link set lo up
ip address add 192.0.2.1/24 dev dummy0
ip link set dummy0 multicast on up

mkdir -p /etc/keepalived
cat >/usr/local/sbin/tell <<'SCRIPT'
#!/bin/sh
# As people's scripts are: it writes below /run, asks systemd something, and reads the network's state.
{
    echo "$@"
    systemctl is-active holdfast
    ip -brief address show dev dummy0
} >>/run/told 2>&1
SCRIPT
chmod 755 /usr/local/sbin/tell
cat >/etc/keepalived/keepalived.conf <<'CONF'
global_defs {
    enable_script_security
    script_user root
}
vrrp_script chk {
    script "/usr/bin/test -e /run/healthy"
    interval 1
    user nobody
}
vrrp_instance VI_1 {
    interface dummy0
    virtual_router_id 51
    priority 200
    advert_int 1
    virtual_ipaddress {
        192.0.2.10/24
    }
    track_script {
        chk
    }
    notify /usr/local/sbin/tell
}
virtual_server 192.0.2.10 80 {
    delay_loop 1
    protocol TCP
    lvs_sched rr
    lvs_method NAT
    quorum_up "/usr/local/sbin/tell quorum up"
    real_server 192.0.2.1 8080 {
        MISC_CHECK {
            misc_path "/usr/bin/test -e /run/healthy"
            user nobody
        }
    }
    real_server 192.0.2.1 8081 {
        PING_CHECK {
        }
    }
}
bfd_instance other {
    neighbor_ip 192.0.2.2
    source_ip 192.0.2.1
    multihop
}
CONF
touch /run/healthy

if dpkg-query -W keepalived >/dev/null 2>&1; then
    dpkg --remove keepalived >/dev/null 2>&1 || fail "keepalived can be removed"
    say "keepalived was removed, its configuration stays"
fi
dpkg --install --force-depends /holdfast.deb >/run/dpkg 2>&1 || { cat /run/dpkg; fail "the package installs"; }
say "the package is installed"
/usr/sbin/keepalived --version 2>&1 | grep -q Holdfast || fail "keepalived is an alternative name of holdfast"
say "keepalived is an alternative name of holdfast"
zcat -f /usr/share/man/man8/keepalived.8.gz | grep -q Holdfast || fail "so is its manual page"
systemd-analyze verify --man=no holdfast.service || fail "systemd accepts the unit"
say "systemd accepts the unit"
exposure=$(systemd-analyze security --no-pager holdfast.service 2>&1 | sed -n 's/.*Overall exposure level for holdfast.service: \([0-9.]*\).*/\1/p')
[ -n "$exposure" ] || fail "systemd judges the unit's exposure"
# It is root and changes the network: what is left are the capabilities and address families that this takes.
[ "${exposure%.*}" -lt 6 ] || fail "the exposure level is $exposure, which is not below 6"
say "systemd finds its exposure level to be $exposure of 10"
for file in bash-completion/completions/holdfast zsh/vendor-completions/_holdfast fish/vendor_completions.d/holdfast.fish; do
    [ -s "/usr/share/$file" ] || fail "completions are installed: $file"
done
bash -n /usr/share/bash-completion/completions/holdfast || fail "the completions of bash are a script"
say "completions are installed for three shells"
[ "$(readlink -f /usr/sbin/keepalived)" = /usr/sbin/holdfast ] || fail "keepalived's alternative is holdfast"
[ "$(readlink -f /usr/bin/genhash)" = /usr/sbin/holdfast ] || fail "genhash's alternative is holdfast"
for page in man8/keepalived.8 man5/keepalived.conf.5 man8/holdfast.8 man5/holdfast.conf.5; do
    zcat -f "/usr/share/man/$page.gz" | grep -q '^\.TH' || fail "there is a manual page $page"
done
say "manual pages are installed, under both names"

mkdir -p /run/systemd/system/holdfast.service.d
printf '[Service]\nWatchdogSec=5\nEnvironment=HOLDFAST_OPTIONS=-D\n' >/run/systemd/system/holdfast.service.d/try.conf
systemctl daemon-reload
systemctl start holdfast || fail "the service starts"
say "the service is started"
until_ "the address is there" has_address
pidof keepalived | grep -qw "$(main_pid)" || fail "pidof keepalived finds it"
[ "$(cat /proc/$(main_pid)/comm)" = keepalived ] || fail "its name is keepalived"
say "pidof keepalived finds it"
until_ "the notify script ran inside the hardened unit" told "INSTANCE VI_1 MASTER 200"
until_ "and could talk to systemd" told "^active"
until_ "the checker process has loaded IPVS, and balances between two servers" balances 8080
until_ "one of them is checked by ping" balances 8081
until_ "a quorum was told" told "^quorum up"
until_ "the BFD process hears" hears
[ "$(children | wc -l)" = 3 ] || fail "there are three processes"

rm /run/healthy
until_ "a failing check, run as nobody, gives the address up" has_no_address
until_ "and takes a real server out" balances_not 8080
touch /run/healthy
until_ "and gets it back" has_address
until_ "and the real server too" balances 8080

before=$(main_pid)
systemctl reload holdfast || fail "the service reloads"
[ "$(main_pid)" = "$before" ] && has_address || fail "a reload changes nothing"
say "a reload keeps process and address"

for role in vrrp checkers bfd; do
    killed=$(child $role)
    kill -KILL "$killed"
    replaced() { pid=$(child $role) && [ -n "$pid" ] && [ "$pid" != "$killed" ]; }
    until_ "a killed $role process is replaced" replaced
    has_address && balances 8080 && systemctl is-active --quiet holdfast || fail "a killed $role process costs nothing"
done
say "none of that cost anything"

# The supervisor dies: its processes let go in order, one of them tells the scripts so, and systemd starts all anew.
: >/run/told
kill -KILL "$before"
restarted() { [ "$(main_pid)" != "$before" ] && [ "$(main_pid)" != 0 ]; }
until_ "a killed supervisor is replaced" restarted
until_ "its processes had let go in order" told "INSTANCE VI_1 STOP"
until_ "and the table is there again" balances 8080
until_ "and the address is there again" has_address

before=$(main_pid)
kill -STOP "$before"
until_ "a frozen supervisor is noticed by systemd and replaced" restarted
until_ "and the address is there once more" has_address

old=$(children)
systemctl stop holdfast
for pid in $old; do [ ! -d "/proc/$pid" ] || fail "process $pid has ended"; done
! journalctl --no-pager -u holdfast | grep -q "forcing termination" || fail "nobody had to be killed"
has_no_address || fail "the address is gone after the stop"
[ -z "$(ipvsadm -Sn)" ] || fail "the table is empty after the stop"
told "INSTANCE VI_1 STOP" || fail "the stop was told"
! journalctl --no-pager -u holdfast | grep -E "Unable|cannot|not permitted" || fail "nothing was refused to it"
say "the service is stopped: address gone, table empty, scripts told"

dpkg --remove holdfast >/run/dpkg 2>&1 || { cat /run/dpkg; fail "the package can be removed"; }
[ ! -e /usr/sbin/keepalived ] || fail "the alternative name is gone with it"
say "the package is removed, the configuration stays"
[ -e /etc/keepalived/keepalived.conf ]
echo "try: all is well"
