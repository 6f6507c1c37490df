#!/bin/sh
# What a real server behind IP in IP needs: the interface that unpacks, and on it the virtual address, which only the
# director may answer for.
set -eu
ip link show tunl0 >/dev/null 2>&1 || modprobe ipip
sysctl -qw net.ipv4.conf.all.arp_ignore=1     # answer ARP only for addresses of the interface that is asked
sysctl -qw net.ipv4.conf.all.arp_announce=2   # and never name the virtual address in a question of one's own
sysctl -qw net.ipv4.conf.all.rp_filter=0      # packets of clients come out of the tunnel, and answers leave by another way
sysctl -qw net.ipv4.conf.tunl0.rp_filter=0
ip address replace 192.0.2.10/32 dev tunl0
ip link set tunl0 up
