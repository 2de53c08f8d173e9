# bash completion for sd-notify, with or without the package bash-completion.
# Made by src/build/docs.ts: change that instead.

# Tells the options of a command, and what follows them.
_sd_notify_describe() {
    case $1 in
    sd-notify) operand='' options=(-h --help --version --ready --reloading --stopping --pid= --uid= --status= --booted --no-block --exec --fd= --fdname= --fork -q --quiet) ;;
    monitor) operand=command options=(--type= --notify-access= --watchdog= --timeout-start= --timeout-stop= --fdstore= --restart --until= --timeout= --strict --json --report= --replay= -h --help --) ;;
    doctor) operand=unit options=(--user --pid= --json -h --help) ;;
    run) operand=command options=(--ready-http= --ready-tcp= --ready-unix= --ready-file= --ready-log= --ready-exec= --ready-after= --reload-log= --healthy-http= --healthy-tcp= --healthy-unix= --healthy-exec= --timeout= --share -h --help --) ;;
    bridge) operand=command options=(--http= --watchdog= --type= --notify-access= --timeout-start= --timeout-stop= --drain-delay= --restart --fdstore= --forward --socket= --socket-mode= -h --help --) ;;
    probe) operand=words operandwords=(live ready started) options=(--pid= --timeout= -h --help) ;;
    esac
}

# Tells what the value of an option is, "COMMAND --OPTION". Fails where it has none.
_sd_notify_value() {
    values=() kind='' optional=''
    case $1 in
    "sd-notify --pid") values=(auto parent self) kind=pid optional=1 ;;
    "sd-notify --uid") kind=user ;;
    "sd-notify --status" | "sd-notify --fdname") ;;
    "sd-notify --fd") kind=fd ;;
    "monitor --type") values=(notify notify-reload) ;;
    "monitor --notify-access") values=(none main exec all) ;;
    "monitor --watchdog" | "monitor --timeout-start" | "monitor --timeout-stop" | "monitor --fdstore" | "monitor --timeout") ;;
    "monitor --until") values=(ready stopping exit) ;;
    "monitor --report" | "monitor --replay") kind=file ;;
    "doctor --pid") kind=pid ;;
    "run --ready-http" | "run --ready-tcp" | "run --ready-log" | "run --ready-after" | "run --reload-log" | "run --healthy-http" | "run --healthy-tcp") ;;
    "run --ready-unix" | "run --ready-file" | "run --healthy-unix") kind=file ;;
    "run --ready-exec" | "run --healthy-exec") kind=command ;;
    "run --timeout") values=(infinity) ;;
    "bridge --http" | "bridge --watchdog" | "bridge --timeout-start" | "bridge --timeout-stop" | "bridge --drain-delay" | "bridge --fdstore" | "bridge --socket-mode") ;;
    "bridge --type") values=(notify notify-reload) ;;
    "bridge --notify-access") values=(none main exec all) ;;
    "bridge --socket") kind=file ;;
    "probe --pid") kind=pid ;;
    "probe --timeout") ;;
    *) return 1 ;;
    esac
}

_sd_notify() {
    local IFS=$' \t\n' command=sd-notify current typed open='' prefix='' head replaced
    local option='' operand='' kind='' optional='' fork='' exec='' semicolon='' ended='' begin='' user='' operands=0
    local i n=-1 word part rest=${COMP_LINE:0:COMP_POINT}
    local -a words=() places=() starts=() options=() operandwords=() values=()
    local -a subcommands=(monitor doctor run bridge probe)
    COMPREPLY=()

    # A redirection.
    if [[ ${3-} == *[\<\>] ]]; then
        compopt -o default 2>/dev/null
        return
    fi

    # The words, up to the cursor. In COMP_WORDS, "--type=notify" is three of them: see COMP_WORDBREAKS.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${rest#"${rest%%[![:space:]]*}"}
        if ((i == 0)) || [[ $word != "$rest" ]]; then
            n=$((n + 1)) words[n]='' places[n]=$i starts[n]=$((COMP_POINT - ${#word}))
        fi
        part=${COMP_WORDS[i]-}
        if ((i == COMP_CWORD)); then part=$word; fi
        words[n]+=$part rest=${word#"$part"}
    done
    current=${words[n]}

    # What stands before it. A subcommand is one as the first word only.
    if ((n > 1)) && [[ " ${subcommands[*]} " == *" ${words[1]} "* ]]; then command=${words[1]}; fi
    _sd_notify_describe "$command"
    i=1
    if [[ $command != sd-notify ]]; then i=2; fi
    for (( ; i < n; i++)); do
        word=${words[i]}
        if [[ -n $ended || $word != -?* ]]; then
            operands=$((operands + 1))
            if [[ -n $fork$semicolon ]]; then
                begin=$i
                break
            fi
            case $exec$word in
            "1\;" | "1';'" | '1";"') semicolon=1 ;;
            esac
        elif [[ $word == -- ]]; then
            ended=1
            if [[ $command != sd-notify ]]; then
                [[ $operand == command ]] || return 0
                begin=$((i + 1))
                break
            fi
        else
            case "$command $word" in
            "sd-notify --fork") fork=1 ;;
            "sd-notify --exec") exec=1 ;;
            "doctor --user") user=--user ;;
            esac
            if [[ $word != *=* ]] && _sd_notify_value "$command $word" && [[ -z $optional ]]; then
                i=$((i + 1))
                ((i == n)) && option=$word
            fi
        fi
    done
    [[ -z $begin$option && -n $fork$semicolon ]] && begin=$n

    if [[ -n $begin && (-n $ended || $current != -*) ]]; then
        _sd_notify_command "$begin" "$@"
        return
    fi

    typed=$current
    if [[ -z $option$ended && $current == --*=* ]]; then
        option=${current%%=*} prefix=${current%%=*}= typed=${current#*=}
    fi
    case $typed in
    [\"\']*) open=${typed:0:1} typed=${typed:1} ;;
    esac
    # readline replaces the end of the word, after the last of COMP_WORDBREAKS.
    replaced=${2-$typed}
    head=${current%"$replaced"}
    if [[ -n $option ]]; then
        _sd_notify_value "$command $option" || return 0
        _sd_notify_offer ${values[@]+"${values[@]}"}
        [[ -z $kind ]] || "_sd_notify_offer_$kind"
    elif [[ -z $ended && $typed == -* ]]; then
        _sd_notify_offer "${options[@]}"
    elif ((n == 1)); then
        _sd_notify_offer "${subcommands[@]}"
    elif [[ $operand == unit ]]; then
        ((operands > 0)) || _sd_notify_offer_unit
    elif [[ $operand == words ]]; then
        ((operands > 0)) || _sd_notify_offer "${operandwords[@]}"
    elif [[ -z $ended$typed ]]; then
        _sd_notify_offer "${options[@]}"
    fi
    if ((${#COMPREPLY[@]} == 1)) && [[ -z $option && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}

# Offers those of the words that begin with what is typed. (compgen -W would execute what they contain.)
_sd_notify_offer() {
    local word
    for word in "$@"; do
        [[ $word == "$typed"* ]] || continue
        word=$prefix$open$word
        COMPREPLY+=("${word#"$head"}")
    done
}

_sd_notify_offer_user() {
    local -a users
    mapfile -t users < <(compgen -u)
    _sd_notify_offer "${users[@]}"
}

_sd_notify_offer_pid() {
    local -a pids
    mapfile -t pids < <(compgen -G '/proc/[1-9]*')
    _sd_notify_offer "${pids[@]#/proc/}"
}

# The open file descriptors of this shell that a command inherits: not those with O_CLOEXEC.
_sd_notify_offer_fd() {
    local fd key flags
    for fd in "/proc/$$/fdinfo"/*; do
        while read -r key flags; do
            [[ $key == flags: ]] && (((8#$flags & 8#2000000) == 0)) && _sd_notify_offer "${fd##*/}"
        done 2>/dev/null <"$fd"
    done
}

# readline's own completion knows quotes, spaces and ~; but not after a "=" that begins no word.
_sd_notify_offer_file() {
    local -a files
    if [[ $typed == "$replaced" ]]; then
        compopt -o default 2>/dev/null
    else
        typed=${typed//\\/}
        mapfile -t files < <(compgen -f -- "$typed")
        compopt -o filenames 2>/dev/null
        _sd_notify_offer "${files[@]}"
    fi
}

_sd_notify_offer_command() {
    local -a names
    mapfile -t names < <(compgen -c -- "$typed")
    [[ $typed == */* ]] && compopt -o filenames 2>/dev/null
    _sd_notify_offer "${names[@]}"
}

# The services, quoted as the shell needs them. No other character can be in a unit's name: systemd.unit(5).
_sd_notify_offer_unit() {
    local name rest
    while read -r name rest; do
        # The dot before a unit that failed.
        [[ $name == *[[:alnum:]]* ]] || name=${rest%%[[:space:]]*}
        [[ $name == [[:alnum:]_]*.service && $name != *[^[:alnum:]:_.\\@-]* && $name != *@.service ]] || continue
        [[ -n $open ]] || printf -v name %q "$name"
        _sd_notify_offer "$name"
    done < <(
        export SYSTEMD_COLORS=0
        exec 2>/dev/null
        command systemctl ${user:+"$user"} -t service list-units </dev/null
        command systemctl ${user:+"$user"} -t service list-unit-files </dev/null
    )
}

# Completes a command that begins at a word of this line, as if it stood alone.
_sd_notify_command() {
    local begin=$1 typed=$current replaced=${3-$current} head open='' prefix='' name spec function
    local -a line
    shift
    head=${current%"$replaced"}
    if ((begin == n)); then
        _sd_notify_offer_command
        return
    fi
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "${places[begin]}"
        return
    elif declare -F _command_offset >/dev/null; then
        _command_offset "${places[begin]}"
        return
    fi
    name=${words[begin]}
    spec=$(complete -p -- "$name" 2>/dev/null || complete -p -- "${name##*/}" 2>/dev/null)
    if [[ $spec != *" -F "* ]]; then
        spec=${spec#complete }
        mapfile -t line < <(eval "compgen ${spec% *} -- \"\$current\"" 2>/dev/null)
        _sd_notify_offer "${line[@]}"
        compopt -o bashdefault -o default 2>/dev/null
        return
    fi
    function=${spec#* -F } function=${function%% *}
    line=("${COMP_WORDS[@]:places[begin]}")
    local -a COMP_WORDS=("${line[@]}")
    local COMP_CWORD=$((COMP_CWORD - places[begin]))
    local COMP_LINE=${COMP_LINE:starts[begin]} COMP_POINT=$((COMP_POINT - starts[begin]))
    while [[ $spec == *" -o "* ]]; do
        spec=${spec#* -o }
        compopt -o "${spec%% *}" 2>/dev/null
    done
    "$function" "$name" "${2-}" "${3-}"
}

complete -F _sd_notify sd-notify
