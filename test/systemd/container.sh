#!/usr/bin/env bash
# container.sh ROOT CHECKOUT NAME OPTION…: boots the systemd of the tree ROOT, until standard input ends. That happens however the
# harness ends, so nothing of it is left: no process, no cgroup.
set -euo pipefail
export root=$1 checkout=$2 name=$3
shift 3

remove() {
	if [ ! -d "$1" ]; then return; fi
	if [ -e "$1/cgroup.kill" ]; then echo 1 >"$1/cgroup.kill"; fi
	# A process that was killed leaves its cgroup a moment later.
	for _ in {1..100}; do
		if find "$1" -depth -type d -exec rmdir {} + 2>/dev/null; then return; fi
		sleep 0.02
	done
	echo "left behind: $1" >&2
}
clean() {
	trap - EXIT
	# What can't be removed must not keep the rest from it.
	set +e
	trap '' HUP INT TERM PIPE
	if [ -n "$reader" ]; then kill "$reader" 2>/dev/null || true; fi
	for hierarchy in "${hierarchies[@]}"; do remove "$hierarchy/$name"; done
	wait
	rm -r "$work"
}

exec 3<&0 </dev/null
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then hierarchies=(/sys/fs/cgroup); else hierarchies=(/sys/fs/cgroup/unified); fi
work=$(mktemp -d)
export work
reader=
trap clean EXIT
trap 'exit 0' HUP INT TERM
# A debug log is long; journald would leave out most of it.
printf '[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nRateLimitBurst=0\n' >"$work/journald.conf"
# Limits that this kernel keeps in cgroup v1: a container of cgroup2 alone has none of them.
for controller in pids memory; do
	if [ -e "/sys/fs/cgroup/$controller/cgroup.procs" ]; then
		hierarchies+=("/sys/fs/cgroup/$controller")
		mkdir "/sys/fs/cgroup/$controller/$name" "$work/$controller"
	fi
done

boot='
	set -e
	binds=()
	for directory in "$work"/*/; do
		controller=$(basename "$directory")
		if [ ! -d "$directory" ]; then continue; fi
		mount --bind "/sys/fs/cgroup/$controller/$name" "$directory"
		binds+=("--bind=$directory:/limits/$controller")
	done
	# The host of a container has to look as if systemd had booted it, with cgroup2 alone.
	mount -t cgroup2 none /sys/fs/cgroup
	mkdir "/sys/fs/cgroup/$name" "/sys/fs/cgroup/$name/supervisor"
	echo 0 >"/sys/fs/cgroup/$name/supervisor/cgroup.procs"
	mkdir -p /run/systemd
	mount -t tmpfs none /run/systemd
	mkdir /run/systemd/system
	exec systemd-nspawn --quiet --directory="$root" "$@" --boot --register=no --keep-unit --console=pipe \
		--notify-ready=yes --machine="$name" --hostname=test --bind-ro="$checkout:/opt/sd-notify" \
		--bind-ro="$work/journald.conf:/etc/systemd/journald.conf.d/90-test.conf" "${binds[@]}" \
		systemd.log_level=debug systemd.log_target=journal systemd.firstboot=off
'

setpriv --pdeathsig KILL unshare --mount --propagation private bash -c "$boot" bash "$@" 3<&- &
nspawn=$!
(cat <&3 >/dev/null 2>&1; kill -TERM $$) &
reader=$!
wait "$nspawn"
