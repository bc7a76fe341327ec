# shellcheck shell=bash
# Part mail: catches what the services send; a web page shows it.

MAIL_PORT=${STACK_MAIL_PORT:-11025}
MAIL_WEB_PORT=${STACK_MAIL_WEB_PORT:-11080}

mail_port() { port_of mail "$MAIL_PORT"; }
mail_web_port() { port_of mail-web "$MAIL_WEB_PORT"; }
mail_address() { printf '127.0.0.1:%s, http://127.0.0.1:%s\n' "$(mail_port)" "$(mail_web_port)"; }
mail_app() { printf '%s\n' "$CACHE_DIR/mail-$(file_key "$TEMPLATES/mail/package.json")"; }
mail_healthy() { port_taken "$(mail_port)" && [ "$(http_status "$(mail_web_port)" /)" = 200 ]; }

mail_install() {
  need_npm
  local app log=$LOG_DIR/install-mail.log
  app=$(mail_app)
  [ ! -d "$app" ] || return 0
  say_part mail 'fetching the mail catcher by npm (once per machine)'
  rm -rf "$app.part"
  mkdir -p "$app.part"
  cp "$TEMPLATES/mail/package.json" "$app.part/"
  npm install --prefix "$app.part" --no-audit --no-fund --no-progress --loglevel=error </dev/null >"$log" 2>&1 ||
    fail 'fetching the mail catcher' "$log" 'check that npm reaches a registry (.npmrc, proxy), then run this again'
  mv "$app.part" "$app"
}

mail_start() {
  mail_install
  choose_port mail "$MAIL_PORT"
  choose_port mail-web "$MAIL_WEB_PORT"
  local data=$STACK_DIR/mail
  mkdir -p "$data"
  launch mail "--mail-directory $data" node "$(mail_app)/node_modules/maildev/bin/maildev" --ip 127.0.0.1 --smtp "$(mail_port)" \
    --web-ip 127.0.0.1 --web "$(mail_web_port)" --mail-directory "$data"
}

mail_wait() { wait_healthy mail 30 mail_healthy; }
mail_stop() { stop_process mail 5; }
mail_delete() { rm -rf "$STACK_DIR/mail"; }

mail_exports() {
  export_line SMTP_HOST 127.0.0.1
  export_line SMTP_PORT "$(mail_port)"
  export_line MAIL_WEB_URL "http://127.0.0.1:$(mail_web_port)"
}
