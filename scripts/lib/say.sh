# shellcheck shell=bash
# What the scripts say: one line per thing done, and on failure the step, the last log lines and what to do.

# `stack env` sets this to 2: its own output is read by eval.
SAY_FD=1

say() { printf '%s\n' "$*" >&"$SAY_FD"; }

# say_part <part> <text>: the name in a column, so that a glance down the screen finds it.
say_part() { printf '  %-20s %s\n' "$1" "$2" >&"$SAY_FD"; }

now_ms() {
  if [ -n "${EPOCHREALTIME:-}" ]; then
    local micros="${EPOCHREALTIME//[.,]/}"
    printf '%s\n' "$((micros / 1000))"
  else
    printf '%s000\n' "$(date +%s)"
  fi
}

# took <start in ms>: "2.4 s" or "3 min 12 s"
took() {
  local ms=$(($(now_ms) - $1))
  if [ "$ms" -ge 60000 ]; then
    printf '%d min %d s\n' "$((ms / 60000))" "$((ms % 60000 / 1000))"
  else
    printf '%d.%d s\n' "$((ms / 1000))" "$((ms % 1000 / 100))"
  fi
}

# refuse_unknown_flags <known flags> -- <arguments...>: before anything is started or built, which takes minutes.
refuse_unknown_flags() {
  local known argument
  # shellcheck disable=SC2086 # a list of words
  known=" $(printf '%s ' $1)"
  shift 2
  for argument in "$@"; do
    case "$argument" in
      --) return 0 ;;
      -*)
        case "$known" in
          *" ${argument%%=*} "*) ;;
          *)
            printf 'unknown flag: %s\n\n' "$argument" >&2
            usage >&2
            exit 2
            ;;
        esac
        ;;
    esac
  done
}

# fail <step> <log file or ''> <what to do>: ends the script.
fail() {
  {
    printf '\nfailed: %s\n' "$1"
    if [ -n "$2" ] && [ -s "$2" ]; then
      printf 'last lines of %s:\n' "$2"
      tail -n 20 "$2" | sed 's/^/  | /'
    fi
    [ -z "$3" ] || printf 'what to do: %s\n' "$3"
  } >&2
  exit 1
}
