"""peers - the programs that are measured: how each is set up at its best, started, and what it has cost so far.

A peer has two addresses, plain and tls, and is a tree of processes that runs on the proxy's core alone. What several of them need (the stub,
Redis) runs on the other core.
"""
import os
import shutil
import signal
import socket
import subprocess
import time

PROXY_CORE, OTHER_CORE = '0', '1'
HOST = '127.0.0.1'
STUB_HOSTS = ('127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5')
SESSIONS_MAX = 9400		# a descriptor table holds 20,000, a session needs two, and sluiced keeps some for itself
TICK = os.sysconf('SC_CLK_TCK')
USER = 'nobody'
GROUP = 'nogroup'
USERS = 10000			# user0 and on, each with a record of its own
HOUR = '3600'			# no timer of a peer's is to end a session


def which(program):
	return shutil.which(program, path=os.environ['PATH'] + ':/usr/sbin:/sbin')


class Trouble(Exception):
	pass


def free_port(host=HOST):
	with socket.socket() as s:
		s.bind((host, 0))
		return s.getsockname()[1]


def can_connect(address):
	host, port = address.split(':')
	try:
		socket.create_connection((host, int(port)), 1).close()
		return True
	except OSError:
		return False


def wait_for(what, check, seconds=15):
	end = time.monotonic() + seconds
	while not check():
		if time.monotonic() > end:
			raise Trouble('%s does not come up' % what)
		time.sleep(0.05)


def stat_of(pid):
	"""(parent, clock ticks with those of its ended children), or None where there is no such process."""
	try:
		with open('/proc/%d/stat' % pid) as f:
			words = f.read().rsplit(')', 1)[1].split()
		return int(words[1]), sum(int(x) for x in words[11:15])
	except (OSError, IndexError):
		return None


def tree_of(pid):
	"""The process and all its descendants."""
	parents = {}
	for name in os.listdir('/proc'):
		stat = stat_of(int(name)) if name.isdigit() else None
		if stat:
			parents.setdefault(stat[0], []).append(int(name))
	found = [pid]
	for p in found:
		found += parents.get(p, [])
	return found


def pss_of(pid):
	try:
		with open('/proc/%d/smaps_rollup' % pid) as f:
			return sum(int(line.split()[1]) for line in f if line.startswith('Pss:')) * 1024
	except OSError:
		return 0


class Process:
	"""One started program, on one core; it ends with its descendants."""

	def __init__(self, core, *argv, log=None, pipes=False):
		self.log = open(log, 'ab') if log else None
		pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
		self.popen = subprocess.Popen(('taskset', '-c', core) + argv, stdin=pipe, text=True, bufsize=1, start_new_session=not pipes,
			stdout=subprocess.PIPE if pipes else self.log or subprocess.DEVNULL, stderr=self.log)
		self.pid = self.popen.pid

	def runs(self):
		return self.popen.poll() is None

	def cpu(self):
		return sum(stat[1] for stat in map(stat_of, tree_of(self.pid)) if stat) / TICK

	def pss(self):
		return sum(map(pss_of, tree_of(self.pid)))

	def stop(self):
		tree = tree_of(self.pid)
		if self.runs():
			self.popen.send_signal(signal.SIGTERM)
		try:
			self.popen.wait(10)
		except subprocess.TimeoutExpired:
			self.popen.kill()
			self.popen.wait()
		# Our own children's children, should their parent not have cared; the session tells them from others that took their number.
		for pid in tree[1:]:
			try:
				if os.getsid(pid) == self.pid:
					os.kill(pid, signal.SIGKILL)
			except OSError:
				pass
		if self.log:
			self.log.close()


class Peer:
	"""What is measured. Subclasses set up plain, tls and what is to be started."""
	name = ''
	plain = tls = None
	rows_plain = {}			# where a row is for an address of its own

	def __init__(self, bench):
		self.bench = bench
		self.processes = []
		self.dir = os.path.join(bench.scratch, 'peer-' + self.name.replace(' ', '-').replace('(', '').replace(')', ''))
		os.makedirs(self.dir, exist_ok=True)
		os.chmod(self.dir, 0o755)

	@classmethod
	def missing(cls):
		"""What must be there and is not, or None."""
		return None

	def version(self):
		return '-'

	def said(self, *argv):
		"""The first line of what a program says of itself."""
		got = subprocess.run(argv, capture_output=True, text=True)
		return ((got.stdout or got.stderr).strip().split('\n') or ['?'])[0]

	def path(self, name):
		return os.path.join(self.dir, name)

	def write(self, name, text):
		with open(self.path(name), 'w') as f:
			f.write(text)
		return self.path(name)

	def ports(self):
		self.plain, self.tls = ('%s:%d' % (HOST, free_port()) for _ in range(2))

	def launch(self, *argv):
		self.processes.append(Process(PROXY_CORE, *argv, log=self.path('log')))

	def wait(self):
		for address in filter(None, (self.plain, self.tls)):
			wait_for(self.name, lambda: can_connect(address) or not all(p.runs() for p in self.processes))
		if not all(p.runs() for p in self.processes):
			with open(self.path('log'), errors='replace') as f:
				raise Trouble('%s ends at once: %s' % (self.name, ' '.join(f.read().split('\n')[-4:])))

	def address(self, row):
		return self.tls if row.tls else self.rows_plain.get(row.key, self.plain)

	def cpu(self):
		return sum(p.cpu() for p in self.processes)

	def pss(self):
		return sum(p.pss() for p in self.processes)

	def stop(self):
		for p in self.processes:
			p.stop()
		self.processes = []

	def start_anew(self):
		"""So that memory freed after earlier work is not used again and looks like none."""
		self.stop()
		self.start()


class Direct(Peer):
	"""No proxy: what the load and the stub cost each other."""
	name = 'direct'

	def start(self):
		self.plain = self.bench.stubs[0]


class Bare(Peer):
	name = 'bare'

	def start(self):
		ports = {mode: '%s:%d' % (HOST, free_port()) for mode in ('copy', 'splice', 'tls')}
		self.plain, self.tls = ports['copy'], ports['tls']
		self.rows_plain = {'download': ports['splice'], 'upload': ports['splice']}
		for mode, address in ports.items():
			self.launch(self.bench.program('bare'), mode, address, self.bench.stubs[0], self.bench.pem)
			wait_for('bare', lambda: can_connect(address))
		self.wait()


class Sluiced(Peer):
	name = 'sluiced'
	workers = 1

	def directory(self):
		path = self.write('users', ''.join('user%d b%d\n' % (i, i % len(self.bench.stubs)) for i in range(USERS)))
		return 'driver = "file"; file = "%s";' % path

	def start(self):
		self.ports()
		backends = ''.join('\tb%d: { address = "%s"; }\n' % b for b in enumerate(self.bench.stubs))
		conf = self.write('conf', '''
workers = %d;
%s
drain-timeout = 0;
log: { level = "warn"; }
limits: { not-logged-in = 0; not-logged-in-per-address = 0; connections-per-second = 0; }
limit-exempt = [ "127.0.0.0/8" ];
listener: {
	imap: { address = "%s"; tls = "none"; cleartext-login = true; }
	imaps: { address = "%s"; }
}
tls: { certificate = "%s"; }
backend: {
%s}
directory: { %s }
''' % (self.workers, 'user = "%s";' % USER if os.getuid() == 0 else '', self.plain, self.tls, self.bench.pem, backends, self.directory()))
		self.launch(self.bench.sluiced, '-c', conf)
		self.wait()

	def version(self):
		return self.said(self.bench.sluiced, '-V')


class SluicedRedis(Sluiced):
	name = 'sluiced (Redis)'

	@classmethod
	def missing(cls):
		return None if which('redis-server') else 'redis-server'

	def directory(self):
		unix = self.path('redis.sock')
		self.redis = Process(OTHER_CORE, 'redis-server', '--port', '0', '--unixsocket', unix, '--unixsocketperm', '777', '--save', '',
			'--appendonly', 'no', '--dir', self.dir, log=self.path('redis.log'))
		wait_for('redis-server', lambda: os.path.exists(unix))
		with socket.socket(socket.AF_UNIX) as s:
			s.connect(unix)
			s.settimeout(10)
			answers = s.makefile('rb')
			for i in range(USERS):
				s.sendall(b'SET sluice:user:{user%d} b%d\r\n' % (i, i % len(self.bench.stubs)))
				if answers.readline() != b'+OK\r\n':
					raise Trouble('redis-server takes no record')
		return 'driver = "redis"; redis = "unix:%s";' % unix

	def stop(self):
		super().stop()
		if hasattr(self, 'redis'):
			self.redis.stop()


class Nginx(Peer):
	"""The mail module as it comes. It asks the stub, over HTTP, who may come in."""
	name = 'nginx mail'
	buffers = ''

	@classmethod
	def missing(cls):
		module = '/usr/lib/nginx/modules/ngx_mail_module.so'
		return None if which('nginx') and os.path.exists(module) else 'nginx with its mail module'

	def start(self):
		self.ports()
		conf = self.write('conf', '''
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
%s
worker_processes 1;
pid %s;
error_log %s error;
events { worker_connections 19900; multi_accept on; }
mail {
	auth_http %s/;
	imap_capabilities IMAP4rev1 SASL-IR LITERAL+ ID IDLE;
	timeout %ss;
	proxy_timeout %ss;
	%s
	ssl_certificate %s;
	ssl_certificate_key %s;
	ssl_protocols TLSv1.3;
	ssl_session_cache none;
	ssl_session_tickets on;
	server { listen %s backlog=4096; protocol imap; }
	server { listen %s ssl backlog=4096; protocol imap; }
}
''' % ('user %s %s;' % (USER, GROUP) if os.getuid() == 0 else '', self.path('pid'), self.path('log'), self.bench.auth, HOUR, HOUR,
			self.buffers, self.bench.pem, self.bench.pem, self.plain, self.tls))
		self.launch(which('nginx'), '-e', self.path('log'), '-p', self.dir, '-c', conf)
		self.wait()

	def version(self):
		return self.said(which('nginx'), '-v')


class NginxTuned(Nginx):
	name = 'nginx mail (tuned)'
	buffers = 'proxy_buffer 64k; imap_client_buffer 64k;'


class Haproxy(Peer):
	"""TCP and TLS only: it reads no IMAP. Large buffers, which it gives back when they are empty, and splice(2)."""
	name = 'HAProxy'

	@classmethod
	def missing(cls):
		return None if which('haproxy') else 'haproxy'

	def start(self):
		self.ports()
		servers = ''.join('\tserver b%d %s\n' % b for b in enumerate(self.bench.stubs))
		conf = self.write('conf', '''
global
	nbthread 1
	maxconn 9700
	maxpipes 100
	tune.bufsize 65536
	ssl-default-bind-options ssl-min-ver TLSv1.3
	%s
defaults
	mode tcp
	option splice-request
	option splice-response
	timeout connect 10s
	timeout client %ss
	timeout server %ss
	backlog 4096
frontend plain
	bind %s
	default_backend stubs
frontend tls
	bind %s ssl crt %s
	default_backend stubs
backend stubs
	balance roundrobin
%s''' % ('user %s\n\tgroup %s' % (USER, GROUP) if os.getuid() == 0 else '', HOUR, HOUR, self.plain, self.tls, self.bench.pem, servers))
		self.launch(which('haproxy'), '-db', '-f', conf)
		self.wait()

	def version(self):
		return self.said(which('haproxy'), '-v')


class Dovecot(Peer):
	"""One login process for all, which is the fast way; everybody goes to the stub, whatever the password."""
	name = 'Dovecot proxy'

	@classmethod
	def missing(cls):
		return None if which('dovecot') else 'dovecot'

	def start(self):
		self.ports()
		host, port = self.bench.stubs[0].split(':')
		me = USER if os.getuid() == 0 else self.said('id', '-un')
		conf = self.write('conf', '''
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/dovecot.log
info_log_path = /dev/null
protocols = imap
listen = 127.0.0.1
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
default_internal_user = {me}
default_internal_group = {group}
default_login_user = {me}
default_client_limit = 20000
default_vsz_limit = 4 G
ssl = yes
ssl_cert = <{pem}
ssl_key = <{pem}
ssl_min_protocol = TLSv1.2
passdb {{
  driver = static
  args = proxy=y nopassword=y host={host} port={port}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 9800
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
'''.format(dir=self.dir, me=me, group=self.said('id', '-gn', me), pem=self.bench.pem, host=host, port=port, plain=self.plain.split(':')[1],
			tls=self.tls.split(':')[1]))
		self.launch(which('dovecot'), '-F', '-c', conf)
		self.wait()

	def version(self):
		return self.said(which('dovecot'), '--version')
