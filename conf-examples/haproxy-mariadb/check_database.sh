#!/bin/sh
# Succeeds when a database answers through the HAProxy of this node. To ask a question notices more than to look for
# the process: a hung HAProxy has one too, and one without databases is of no use.
exec mariadb --no-defaults --connect-timeout=2 --host=127.0.0.1 --user=monitor --execute='SELECT 1' >/dev/null 2>&1
