#!/bin/sh
# What a real server behind direct routing needs: the virtual address, which only the director may answer for.
set -eu
sysctl -qw net.ipv4.conf.all.arp_ignore=1     # answer ARP only for addresses of the interface that is asked
sysctl -qw net.ipv4.conf.all.arp_announce=2   # and never name the virtual address in a question of one's own
ip address replace 192.0.2.10/32 dev lo
