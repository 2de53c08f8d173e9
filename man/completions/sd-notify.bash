# Made by src/build/docs.ts: change that instead.
_sd_notify() {
    local current word i
    COMPREPLY=()
    # Bash makes words of its own of "--pid=self": put them together again.
    current=${COMP_LINE:0:COMP_POINT}
    current=${current##*[[:space:]]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == ";" || $word == "\\;" ]] || [[ $word == "--" && " ${COMP_WORDS[*]:0:i} " == *" --fork "* ]]; then
            mapfile -t COMPREPLY < <(compgen -c -- "$current")
            return
        fi
    done
    case ${COMP_WORDS[1]} in
    monitor)
        if [[ " ${COMP_WORDS[*]:0:COMP_CWORD} " == *" -- "* ]]; then
            mapfile -t COMPREPLY < <(compgen -c -- "$current")
        elif [[ $COMP_CWORD -gt 1 && $current != *=* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "--type= --notify-access= --watchdog= --timeout-start= --timeout-stop= --fdstore= --restart --until= --timeout= --strict --json -h --help" -- "$current")
            [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        fi
        [[ $COMP_CWORD -gt 1 ]] && return
        ;;
    doctor)
        if [[ " ${COMP_WORDS[*]:0:COMP_CWORD} " == *" -- "* ]]; then
            mapfile -t COMPREPLY < <(compgen -c -- "$current")
        elif [[ $COMP_CWORD -gt 1 && $current != *=* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "--user --pid= --json" -- "$current")
            [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        fi
        [[ $COMP_CWORD -gt 1 ]] && return
        ;;
    run)
        if [[ " ${COMP_WORDS[*]:0:COMP_CWORD} " == *" -- "* ]]; then
            mapfile -t COMPREPLY < <(compgen -c -- "$current")
        elif [[ $COMP_CWORD -gt 1 && $current != *=* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "--ready-http= --ready-tcp= --ready-unix= --ready-file= --ready-log= --ready-exec= --ready-after= --reload-log= --healthy-http= --healthy-tcp= --healthy-unix= --healthy-exec= --timeout= --share" -- "$current")
            [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        fi
        [[ $COMP_CWORD -gt 1 ]] && return
        ;;
    esac
    if ((COMP_CWORD == 1)) && [[ $current != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "monitor doctor run" -- "$current")
        return
    fi
    case $current in
    --pid=*) mapfile -t COMPREPLY < <(compgen -W "auto parent self" -- "${current#*=}") ;;
    --uid=*) mapfile -t COMPREPLY < <(compgen -u -- "${current#*=}") ;;
    --*=*) ;;
    -*)
        mapfile -t COMPREPLY < <(compgen -W "-h --help --version --ready --reloading --stopping --pid= --uid= --status= --booted --no-block --exec --fd= --fdname= --fork -q --quiet" -- "$current")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
        ;;
    esac
}
complete -F _sd_notify sd-notify
