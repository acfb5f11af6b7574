# dovecot.sh - real Dovecot servers of our own: each in a folder, on loopback ports, as a plain user; the system's is not touched.
#
#	dovecot_start NAME		serves every user with the password $PASSWORD or $ATOM_PASSWORD; each user has a mailbox "on-NAME"
#	dovecot_address NAME		127.0.0.1:PORT (TCP, STARTTLS offered)
#	dovecot_tls_address NAME	127.0.0.1:PORT, implicit TLS
#	dovecot_unix NAME		unix:/path
#	dovecot_log NAME		its log file
#	dovecot_stop NAME
#
# It needs frame.sh and ca.sh. DOVECOT_EXTRA is a piece of configuration put at the end.

PASSWORD='pass word+1'		# not an atom, so that quoting is tried everywhere
ATOM_PASSWORD=secret		# everybody's second password
MASTER_USER=master
MASTER_PASSWORD='master key'

declare -A DOVECOT_PID DOVECOT_PORT DOVECOT_TLS_PORT

dovecot_address() { echo "127.0.0.1:${DOVECOT_PORT[$1]}"; }
dovecot_tls_address() { echo "127.0.0.1:${DOVECOT_TLS_PORT[$1]}"; }
dovecot_unix() { echo "unix:$SCRATCH/$1/imap.sock"; }
dovecot_log() { echo "$SCRATCH/$1/dovecot.log"; }

dovecot_is_there()
{
	PATH=$PATH:/usr/sbin command -v dovecot >/dev/null && [ -e /usr/lib/dovecot/imap ]
}

dovecot_config()
{
	local name=$1 dir=$SCRATCH/$1
	cat <<CONF
base_dir = $dir/run
state_dir = $dir/run
log_path = $dir/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S.%{usecs} "
protocols = imap
listen = 127.0.0.1
login_greeting = $name is ready.
login_trusted_networks = 127.0.0.0/8
# Where TLS matters it is sluiced that is tested, not Dovecot's own opinion of it.
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
auth_verbose = yes

default_internal_user = $SERVER_USER
default_internal_group = $(id -gn "$SERVER_USER")
default_login_user = $SERVER_USER
default_client_limit = 4000
default_process_limit = 1000
first_valid_uid = 1
first_valid_gid = 0
mail_max_userip_connections = 1000

ssl = yes
ssl_cert = <$SCRATCH/tls/server.pem
ssl_key = <$SCRATCH/tls/server.pem

passdb {
  driver = passwd-file
  args = $dir/masters
  master = yes
}
# One line that stands for everybody.
passdb {
  driver = passwd-file
  args = username_format=everybody $dir/users
}
passdb {
  driver = passwd-file
  args = username_format=everybody $dir/users2
}
userdb {
  driver = static
  args = uid=$(id -u "$SERVER_USER") gid=$(id -g "$SERVER_USER") home=$dir/mail/%{sha1:user} allow_all_users=yes
}

mail_location = maildir:~/Maildir
mail_fsync = never
mail_plugins = acl
plugin {
  acl = vfile
  # A master user acts with the rights of whom it acts as.
  acl_user = %u
}
protocol imap {
  mail_plugins = acl imap_acl
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox on-$name {
    auto = subscribe
  }
}

service imap-login {
  chroot =
  service_count = 0
  process_min_avail = 1
  inet_listener imap {
    port = ${DOVECOT_PORT[$name]}
  }
  inet_listener imaps {
    port = ${DOVECOT_TLS_PORT[$name]}
    ssl = yes
  }
  unix_listener $dir/imap.sock {
    mode = 0666
  }
}
service imap {
  process_limit = 1000
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
${DOVECOT_EXTRA:-}
CONF
}

dovecot_start()
{
	local try
	for try in 1 2 3 4 5; do
		dovecot_try "$1" && return 0
	done
	echo "Dovecot \"$1\" does not start:"
	tail -n 20 "$(dovecot_log "$1")" "$SCRATCH/$1/stderr"
	return 1
}

dovecot_up_or_dead() { gone "$2" || has_line "$1" 'starting up'; }

# One try: its ports may have been taken meanwhile.
dovecot_try()
{
	local name=$1 dir=$SCRATCH/$1

	server_dir "$dir"
	server_dir "$dir/mail"
	[ -n "${DOVECOT_KEEP_PORTS:-}" ] || { DOVECOT_PORT[$name]=$(free_port); DOVECOT_TLS_PORT[$name]=$(free_port); }
	dovecot_config "$name" >"$dir/dovecot.conf"
	echo "everybody:{PLAIN}$PASSWORD" >"$dir/users"
	echo "everybody:{PLAIN}$ATOM_PASSWORD" >"$dir/users2"
	echo "$MASTER_USER:{PLAIN}$MASTER_PASSWORD" >"$dir/masters"
	: >"$dir/stderr"
	rm -f "$dir/dovecot.log"
	PATH=$PATH:/usr/sbin setsid "${AS_SERVER[@]}" dovecot -F -c "$dir/dovecot.conf" </dev/null >"$dir/stderr" 2>&1 &
	DOVECOT_PID[$name]=$!
	ours $!
	wait_for 10 dovecot_up_or_dead "$dir/dovecot.log" "${DOVECOT_PID[$name]}"
	if gone "${DOVECOT_PID[$name]}"; then
		not_ours "${DOVECOT_PID[$name]}"
		return 1
	fi
}

dovecot_stop()
{
	stop_process "${DOVECOT_PID[$1]}" 5
}

# The same server again, on its old ports.
dovecot_restart()
{
	mv "$(dovecot_log "$1")" "$(dovecot_log "$1").before"
	DOVECOT_KEEP_PORTS=1 dovecot_try "$1"
}

# What is said through dovecot_log: sessions of USER that ended.
dovecot_session_ended() { has_line "$(dovecot_log "$1")" "imap\\($2\\).*(Logged out|Disconnected|Connection closed)"; }
