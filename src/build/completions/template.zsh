#compdef sd-notify
# zsh completion for sd-notify: in a directory of $fpath, or sourced after compinit.
# Made by src/build/docs.ts: change that instead.

_sd-notify() {
    local curcontext=$curcontext word fork exec semicolon ended
    local -i i begin=0

    if (( CURRENT > 2 )); then
        case $words[2] in
        #SUBCOMMANDNAMES
            shift words
            (( CURRENT-- ))
            curcontext=${curcontext%:*}-$words[1]:
            _sd-notify_$words[1]
            return
            ;;
        esac
    fi

    # Where the command of --fork begins, or that of --exec, after a ";".
    for (( i = 2; i < CURRENT; i++ )); do
        word=${(Q)words[i]}
        if [[ -n $ended || $word != -?* ]]; then
            if [[ -n $fork$semicolon ]]; then
                begin=i
                break
            fi
            [[ -n $exec && $word == ';' ]] && semicolon=1
        else
            case $word in
            --) ended=1 ;;
            --fork) fork=1 ;;
            --exec) exec=1 ;;
            #VALUEOPTIONS
            esac
        fi
    done
    [[ begin -eq 0 && i -eq CURRENT && -n $fork$semicolon ]] && begin=CURRENT
    if [[ begin -gt 0 && ( -n $ended || $PREFIX != -* ) ]]; then
        _sd-notify_command $begin
        return
    fi

    local -a specs=(
        #OPTIONS
    )
    # A subcommand is one as the first word only.
    if (( CURRENT == 2 )); then
        specs+=('1:subcommand:_sd-notify_subcommands')
    else
        # No message, which would keep the shell from inserting the only option that matches.
        specs+=('*:variable=value:{false}')
    fi
    _arguments -s -S : $specs
}

_sd-notify_subcommands() {
    local -a list=(
        #SUBCOMMANDS
    )
    _describe -t commands subcommand list
}

#SUBCOMMANDFUNCTIONS

# Completes a command that begins at a word of this line, as if it stood alone.
_sd-notify_command() {
    shift $(( $1 - 1 )) words
    (( CURRENT -= $1 - 1 ))
    _normal
}

# The end of a subcommand's options. (As an argument it would hide them.)
_sd-notify_end() {
    [[ -n $PREFIX && $PREFIX != (-|--) ]] && return
    local -a end=("--:$1")
    _describe -o -t options option end
}

# Completes one of the words from the second argument on, or what the function does that is the first.
_sd-notify_word_or() {
    local -a list=("${@[2,-1]}") expl
    local -i ret=1
    _wanted values expl value compadd -a list && ret=0
    $1 && ret=0
    return ret
}

_sd-notify_processes() {
    local -a list
    local directory name
    for directory in /proc/<1->(nN); do
        name=
        { read -r name < $directory/comm } 2>/dev/null
        list+=(${directory:t}:$name)
    done
    _describe -t processes process list
}

# The services. No other character can be in a unit's name: systemd.unit(5).
_sd-notify_units() {
    local -a user list units expl
    local what
    (( ${words[(I)--user]} )) && user=(--user)
    for what in list-units list-unit-files; do
        list+=(${(f)"$(SYSTEMD_COLORS=0 command systemctl $user -t service $what </dev/null 2>/dev/null)"})
    done
    # Without the dot before a unit that failed.
    list=(${${list##[^[:alnum:]]#[[:space:]]##}%%[[:space:]]*})
    units=(${${(M)list:#[[:alnum:]_][[:alnum:]:_.\\@-]#.service}:#*@.service})
    _wanted units expl unit compadd -a units
}

# The first call of an autoloaded function executes the whole file.
if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
    _sd-notify "$@"
else
    compdef _sd-notify sd-notify
fi
