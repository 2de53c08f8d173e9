/** The options that keep programs from putting themselves into the background. */

import { basename } from "node:path";

/** Returns the option, or another remedy, as the end of a sentence. */
export function foregroundHint(command: readonly string[]): string {
  const name = basename(command[0] ?? "");
  // As in apache2 and php-fpm8.2.
  const cure = CURES[name] ?? CURES[name.replace(/[-.\d]+$/, "")];
  if (cure !== undefined) return `keep it in the foreground: ${cure}`;
  return "if it went into the background, give it the option that keeps it in the foreground";
}

// --- internal ---

/** From their manual pages. */
const CURES: Record<string, string> = {
  apache: "apache2 -DFOREGROUND",
  apache2ctl: "apache2ctl -DFOREGROUND",
  apachectl: "apachectl -DFOREGROUND",
  atd: "atd -f",
  "avahi-daemon": "no -D",
  caddy: "caddy run, not caddy start",
  chronyd: "chronyd -n",
  cron: "cron -f",
  crond: "crond -n (BusyBox: crond -f)",
  dhcpd: "dhcpd -f",
  dnsmasq: "dnsmasq --keep-in-foreground",
  dovecot: "dovecot -F",
  exim: "exim -bdf",
  gunicorn: "no --daemon",
  haproxy: "haproxy -W, without -D",
  httpd: "httpd -DFOREGROUND",
  keepalived: "keepalived --dont-fork",
  lighttpd: "lighttpd -D",
  memcached: "no -d",
  mongod: "no --fork",
  mosquitto: "no -d",
  named: "named -f",
  nginx: 'nginx -g "daemon off;"',
  nmbd: "nmbd --foreground --no-process-group",
  nslcd: "nslcd --nofork",
  ntpd: "ntpd -n",
  openvpn: "no --daemon",
  pg_ctl: "start postgres itself, not pg_ctl",
  pg_ctlcluster: "pg_ctlcluster --foreground",
  "php-fpm": "php-fpm --nodaemonize",
  pm2: "pm2-runtime, not pm2",
  postfix: "postfix start-fg",
  proftpd: "proftpd --nodaemon",
  "redis-server": "redis-server --daemonize no",
  rpcbind: "rpcbind -f",
  rsyslogd: "rsyslogd -n",
  slapd: "slapd -d 0",
  smbd: "smbd --foreground --no-process-group",
  snmpd: "snmpd -f",
  squid: "squid --foreground",
  sshd: "sshd -D",
  supervisord: "supervisord --nodaemon",
  stunnel: "foreground = yes in its configuration",
  tor: "tor --RunAsDaemon 0",
  unbound: "unbound -d",
  "valkey-server": "valkey-server --daemonize no",
  varnishd: "varnishd -F",
  vsftpd: "vsftpd -obackground=NO",
  xinetd: "xinetd -dontfork",
};
