#!/bin/sh
# Starts the server, as many scripts do: the shell is the main process, and waits.
bun examples/server.ts
echo "the server has ended with $?" >&2
