# fish completion for sd-notify.
# Made by src/build/docs.ts: change that instead.

# Prints what is completed: sd-notify, a subcommand, "command N" if the Nth word begins a command, or nothing.
function __sd_notify_context
    set --local words (commandline -opc)
    set --local current (commandline -ct)
    switch "$words[2]"
        case monitor
            set --local end (contains -i -- -- $words)
            and echo command (math $end + 1)
            or echo monitor
            return
        case doctor
            set --local end (contains -i -- -- $words)
            and true
            or echo doctor
            return
        case run
            set --local end (contains -i -- -- $words)
            and echo command (math $end + 1)
            or echo run
            return
        case bridge
            set --local end (contains -i -- -- $words)
            and echo command (math $end + 1)
            or echo bridge
            return
        case probe
            set --local end (contains -i -- -- $words)
            and true
            or echo probe
            return
    end
    # Where the command of --fork begins, or that of --exec, after a ";".
    set --local fork
    set --local exec
    set --local semicolon
    set --local ended
    set --local value
    set --local begin
    set --local i 1
    for word in $words[2..]
        set i (math $i + 1)
        if test -n "$value"
            set value
        else if test -n "$ended"; or not string match -q -- '-?*' "$word"
            if test -n "$fork$semicolon"
                set begin $i
                break
            end
            test -n "$exec"; and test "$word" = ';'; and set semicolon 1
        else
            switch $word
                case --
                    set ended 1
                case --fork
                    set fork 1
                case --exec
                    set exec 1
                case --uid --status --fd --fdname
                    set value 1
            end
        end
    end
    if test -z "$begin$value"; and test -n "$fork$semicolon"
        set begin (math $i + 1)
    end
    if test -z "$begin"
        echo sd-notify
    else if test -z "$ended"; and string match -q -- '-*' "$current"
        echo sd-notify
    else
        echo command $begin
    end
end

# Whether that is what is completed.
function __sd_notify_in
    string match -q -- "$argv[1]" (__sd_notify_context)
end

# Whether no operand stands before the cursor.
function __sd_notify_first_operand
    set --local words (commandline -opc)
    not string match -q -v -- '-*' $words[3..]
end

# Completes a command that begins at a word of this line, as if it stood alone.
function __sd_notify_command
    set --local begin (string replace 'command ' '' -- (__sd_notify_context))
    set --local words (commandline -opc)
    set --local line (string escape -- $words[$begin..]) (commandline -ct)
    complete -C "$line"
end

# The names of commands, for a value.
function __sd_notify_commands
    complete -C (string replace -r -- '^--[^=]*=' '' (commandline -ct))
end

# The services. No other character can be in a unit's name: systemd.unit(5).
function __sd_notify_units
    command -sq systemctl; or return
    set --local user
    contains -- --user (commandline -opc); and set user --user
    for list in list-units list-unit-files
        SYSTEMD_COLORS=0 command systemctl $user -t service $list </dev/null 2>/dev/null
        # Without the dot before a unit that failed.
    end | string replace -rf '^(?:\W?\s+)?(\w[\w:.\\\\@-]*\.service)(?:\s.*)?$' '$1' | string match -v '*@.service'
end

complete -c sd-notify -f
complete -c sd-notify -n 'test (count (commandline -opc)) -eq 1' -a monitor -d 'Start a command, and show what systemd would make of it'
complete -c sd-notify -n 'test (count (commandline -opc)) -eq 1' -a doctor -d 'Tells why a service is not ready, and what to change'
complete -c sd-notify -n 'test (count (commandline -opc)) -eq 1' -a run -d 'Starts a program, and notifies for it when probes pass'
complete -c sd-notify -n 'test (count (commandline -opc)) -eq 1' -a bridge -d 'Start a command as systemd would, where there is no systemd'
complete -c sd-notify -n 'test (count (commandline -opc)) -eq 1' -a probe -d 'Ask the bridge whether its command is ready'
complete -c sd-notify -n '__sd_notify_in sd-notify' -s h -l help -d 'Show this help'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l version -d 'Show the version'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l ready -d 'Start-up, or a reload, is complete'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l reloading -d 'The configuration is being reloaded'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l stopping -d 'The service is shutting down'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l pid -f -a 'auto parent self (__fish_complete_pids)' -d 'Set the main PID: a number, auto [default], parent, self'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l uid -x -a '(__fish_complete_users)' -d 'Send as this user: a name or a number'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l status -x -d 'Set the text that systemctl status shows'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l booted -d 'Check whether systemd booted this machine, send nothing'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l no-block -d 'Do not wait until the manager has read the message'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l exec -d 'Then execute the command that follows a \';\''
complete -c sd-notify -n '__sd_notify_in sd-notify' -l fd -x -a '0 1 2' -d 'Send a file descriptor along, for the fd store'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l fdname -x -d 'Name the file descriptors in the fd store'
complete -c sd-notify -n '__sd_notify_in sd-notify' -l fork -d 'Start a command, and wait until it is ready'
complete -c sd-notify -n '__sd_notify_in sd-notify' -s q -l quiet -d 'Do not print the PID of the command that --fork starts'
complete -c sd-notify -n '__sd_notify_in monitor' -l type -x -a 'notify notify-reload' -d 'Type=: notify [default] or notify-reload'
complete -c sd-notify -n '__sd_notify_in monitor' -l notify-access -x -a 'none main exec all' -d 'NotifyAccess=: none, main [default], exec or all'
complete -c sd-notify -n '__sd_notify_in monitor' -l watchdog -x -d 'WatchdogSec=: the time between two pings at most'
complete -c sd-notify -n '__sd_notify_in monitor' -l timeout-start -x -d 'TimeoutStartSec= [default: 90 s]; 0: none'
complete -c sd-notify -n '__sd_notify_in monitor' -l timeout-stop -x -d 'TimeoutStopSec= [default: 90 s]; 0: none'
complete -c sd-notify -n '__sd_notify_in monitor' -l fdstore -x -d 'FileDescriptorStoreMax=: fds kept for a restart'
complete -c sd-notify -n '__sd_notify_in monitor' -l restart -d 'Restart=always: start CMD again when it ends'
complete -c sd-notify -n '__sd_notify_in monitor' -l until -x -a 'ready stopping exit' -d 'Stop CMD and exit at: ready, stopping or exit'
complete -c sd-notify -n '__sd_notify_in monitor' -l timeout -x -d 'How long that may take'
complete -c sd-notify -n '__sd_notify_in monitor' -l strict -d 'Exit with 5 where anything is ignored'
complete -c sd-notify -n '__sd_notify_in monitor' -l json -d 'Print an object for each event, on a line each'
complete -c sd-notify -n '__sd_notify_in monitor' -s h -l help -d 'Show this help'
complete -c sd-notify -n '__sd_notify_in doctor' -l user -d 'The unit is of the user\'s service manager'
complete -c sd-notify -n '__sd_notify_in doctor' -l pid -x -a '(__fish_complete_pids)' -d 'Look at this process, and at the unit it is of'
complete -c sd-notify -n '__sd_notify_in doctor' -l json -d 'Print one JSON object: subject, checks, unit'
complete -c sd-notify -n '__sd_notify_in doctor' -s h -l help -d 'Show this help'
complete -c sd-notify -n '__sd_notify_in run' -l ready-http -x -d 'Ready when it answers with a status of 2xx'
complete -c sd-notify -n '__sd_notify_in run' -l ready-tcp -x -d 'Ready when it takes a connection'
complete -c sd-notify -n '__sd_notify_in run' -l ready-unix -r -F -d 'Ready when the socket can be connected to'
complete -c sd-notify -n '__sd_notify_in run' -l ready-file -r -F -d 'Ready when the file is there'
complete -c sd-notify -n '__sd_notify_in run' -l ready-log -x -d 'Ready when a line of CMD\'s output matches'
complete -c sd-notify -n '__sd_notify_in run' -l ready-exec -x -a '(__sd_notify_commands)' -d 'Ready when this shell command succeeds'
complete -c sd-notify -n '__sd_notify_in run' -l ready-after -x -d 'Ready after this time, if CMD still runs'
complete -c sd-notify -n '__sd_notify_in run' -l reload-log -x -d 'Reloaded when a line of CMD\'s output matches'
complete -c sd-notify -n '__sd_notify_in run' -l healthy-http -x -d 'Ping the watchdog while it answers 2xx'
complete -c sd-notify -n '__sd_notify_in run' -l healthy-tcp -x -d 'Ping the watchdog while it takes connections'
complete -c sd-notify -n '__sd_notify_in run' -l healthy-unix -r -F -d 'Ping the watchdog while it can be connected to'
complete -c sd-notify -n '__sd_notify_in run' -l healthy-exec -x -a '(__sd_notify_commands)' -d 'Ping the watchdog while it succeeds'
complete -c sd-notify -n '__sd_notify_in run' -l timeout -x -a 'infinity' -d 'Give up when CMD is not ready by then: 5min'
complete -c sd-notify -n '__sd_notify_in run' -l share -d 'Leave $NOTIFY_SOCKET and the watchdog to CMD'
complete -c sd-notify -n '__sd_notify_in run' -s h -l help -d 'Show this help'
complete -c sd-notify -n '__sd_notify_in bridge' -l http -x -d 'Answer probes at [HOST:]PORT or unix:PATH'
complete -c sd-notify -n '__sd_notify_in bridge' -l watchdog -x -d 'WatchdogSec=: the time between two pings at most'
complete -c sd-notify -n '__sd_notify_in bridge' -l type -x -a 'notify notify-reload' -d 'Type=: notify [default] or notify-reload'
complete -c sd-notify -n '__sd_notify_in bridge' -l notify-access -x -a 'none main exec all' -d 'NotifyAccess=: none, main [default], exec or all'
complete -c sd-notify -n '__sd_notify_in bridge' -l timeout-start -x -d 'TimeoutStartSec= [default: 90 s]; 0: none'
complete -c sd-notify -n '__sd_notify_in bridge' -l timeout-stop -x -d 'TimeoutStopSec= [default: 90 s]; 0: none'
complete -c sd-notify -n '__sd_notify_in bridge' -l drain-delay -x -d 'How long to be unready before CMD is stopped'
complete -c sd-notify -n '__sd_notify_in bridge' -l restart -d 'Start CMD again when it ends, instead of ending too'
complete -c sd-notify -n '__sd_notify_in bridge' -l fdstore -x -d 'FileDescriptorStoreMax=: fds kept for a restart'
complete -c sd-notify -n '__sd_notify_in bridge' -l forward -d 'Pass messages on to the bridge\'s own $NOTIFY_SOCKET'
complete -c sd-notify -n '__sd_notify_in bridge' -l socket -r -F -d 'Where CMD\'s socket is, for a container to mount'
complete -c sd-notify -n '__sd_notify_in bridge' -l socket-mode -x -d 'Its permissions [default: 666 or 600, see docs]'
complete -c sd-notify -n '__sd_notify_in bridge' -s h -l help -d 'Show this help'
complete -c sd-notify -n '__sd_notify_in probe' -l pid -x -a '(__fish_complete_pids)' -d 'Ask this bridge, where several run'
complete -c sd-notify -n '__sd_notify_in probe' -l timeout -x -d 'How long to wait for its answer [default: 1 s]'
complete -c sd-notify -n '__sd_notify_in probe' -s h -l help -d 'Show this help'
complete -c sd-notify -n '__sd_notify_in monitor' -a -- -d 'CMD [ARG…]'
complete -c sd-notify -n '__sd_notify_in doctor; and __sd_notify_first_operand' -a '(__sd_notify_units)'
complete -c sd-notify -n '__sd_notify_in run' -a -- -d 'CMD [ARG…]'
complete -c sd-notify -n '__sd_notify_in bridge' -a -- -d 'CMD [ARG…]'
complete -c sd-notify -n '__sd_notify_in probe; and __sd_notify_first_operand' -a 'live ready started'
complete -c sd-notify -n '__sd_notify_in "command *"' -a '(__sd_notify_command)'
