# shellcheck shell=bash
# Background processes that outlive the shell which started them, and their pid files.
#
# A pid file holds the pid and a marker from the process's command line. After a reboot or a kill the pid may belong to
# somebody else; without the marker `down` would end a stranger.

pid_file() { printf '%s\n' "$RUN_DIR/$1.pid"; }
log_file() { printf '%s\n' "$LOG_DIR/$1.log"; }

command_line() {
  if [ -r "/proc/$1/cmdline" ]; then
    tr '\0' ' ' <"/proc/$1/cmdline"
  else
    ps -ww -p "$1" -o args= 2>/dev/null || true
  fi
}

# process_id <name>: the pid if that very process runs, else nothing.
process_id() {
  local file pid='' marker=''
  file=$(pid_file "$1")
  [ -s "$file" ] || return 0
  { read -r pid && read -r marker; } <"$file" || return 0
  case "$(command_line "$pid" 2>/dev/null)" in
    *"$marker"*) printf '%s\n' "$pid" ;;
  esac
}

# process_ids_with <marker>: also those whose pid file is gone, as after `git clean` with the stack running.
process_ids_with() {
  [ -d /proc/self ] || return 0
  # The pattern comes from a file, so that grep does not find itself.
  grep -lF -f <(printf '%s\n' "$1") /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3 || true
}

# An inherited descriptor would keep the caller's pipe or lock open for as long as the broker lives, and
# `eval "$(./scripts/stack env)"` would hang.
close_inherited_descriptors() {
  local fd
  for fd in /dev/fd/*; do
    fd=${fd##*/}
    case "$fd" in
      0 | 1 | 2 | *[!0-9]*) ;;
      *) eval "exec $fd>&-" ;;
    esac
  done
}

# launch <name> <marker> <command...>: starts it, keeps the log of the run before as .log.1.
launch() {
  local name=$1 marker=$2 log detach=nohup
  shift 2
  log=$(log_file "$name")
  [ ! -s "$log" ] || mv -f "$log" "$log.1"
  # setsid: a Ctrl-C or a closed terminal must not reach it.
  if command -v setsid >/dev/null; then detach='nohup setsid'; fi
  (
    close_inherited_descriptors
    cd "${LAUNCH_IN:-.}" || exit
    # shellcheck disable=SC2086 # one or two words
    exec $detach "$@"
  ) </dev/null >"$log" 2>&1 &
  printf '%s\n%s\n' "$!" "$marker" >"$(pid_file "$name")"
}

# wait_healthy <name> <seconds> <check...>: also ends when the process does.
wait_healthy() {
  local name=$1 deadline=$(($(now_ms) + $2 * 1000))
  shift 2
  # The command line is only the process's own some milliseconds after the fork.
  sleep 0.1
  until "$@"; do
    [ -n "$(process_id "$name")" ] && [ "$(now_ms)" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# stop_process <name> <seconds before kill -9>
stop_process() {
  local name=$1 pid
  pid=$(process_id "$name")
  [ -z "$pid" ] || stop_pid "$pid" "$2"
  rm -f "$(pid_file "$name")"
}

stop_pid() {
  local pid=$1 deadline=$(($(now_ms) + $2 * 1000))
  kill "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$(now_ms)" -ge "$deadline" ]; then
      kill -9 "$pid" 2>/dev/null || true
      return 0
    fi
    sleep 0.1
  done
}
