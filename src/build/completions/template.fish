# fish completion for sd-notify.
# Made by src/build/docs.ts: change that instead.

# Prints what is completed: sd-notify, a subcommand, "command N" if the Nth word begins a command, or nothing.
function __sd_notify_context
    set --local words (commandline -opc)
    set --local current (commandline -ct)
    switch "$words[2]"
        #SUBCOMMANDS
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
                #VALUEOPTIONS
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
#COMPLETE
