#!/bin/sh
# Succeeds when nginx on this node serves a page within a second. To ask for a page notices more than to look for the
# process: a hung nginx has one too.
exec curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1/
