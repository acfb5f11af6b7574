"""peers - the programs that are measured: how each is set up at its best, started, and what it has cost so far.

A peer has two addresses, plain and tls, and is a tree of processes that runs on the proxy's core alone. What several of them need (the stub,
Redis) runs on the other core.
"""
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

PROXY_CORE, OTHER_CORE = '0', '1'
HOST = '127.0.0.1'
STUB_HOSTS = ('127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5')
SESSIONS_MAX = 9500		# a descriptor table holds 20,000, a session needs two
TICK = os.sysconf('SC_CLK_TCK')
USER = 'nobody'
USERS = 64			# names user0 and on that have a record of their own


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

	def path(self, name):
		return os.path.join(self.dir, name)

	def write(self, name, text):
		with open(self.path(name), 'w') as f:
			f.write(text)
		return self.path(name)

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
		self.rows_plain = {'download': ports['splice']}
		for mode, address in ports.items():
			self.launch(self.bench.program('bare'), mode, address, self.bench.stubs[0], self.bench.pem)
			wait_for('bare', lambda: can_connect(address))
		self.wait()


class Sluiced(Peer):
	name = 'sluiced'

	def directory(self):
		path = self.write('users', ''.join('user%d b%d\n' % (i, i % len(self.bench.stubs)) for i in range(USERS)))
		return 'driver = "file"; file = "%s";' % path

	def start(self):
		self.plain, self.tls = ('%s:%d' % (HOST, free_port()) for _ in range(2))
		backends = ''.join('\tb%d: { address = "%s"; }\n' % b for b in enumerate(self.bench.stubs))
		conf = self.write('conf', '''
workers = 1;
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
''' % ('user = "%s";' % USER if os.getuid() == 0 else '', self.plain, self.tls, self.bench.pem, backends, self.directory()))
		self.launch(self.bench.sluiced, '-c', conf)
		self.wait()

	def version(self):
		return subprocess.run([self.bench.sluiced, '-V'], capture_output=True, text=True).stdout.split('\n')[0].strip() or '?'


class SluicedRedis(Sluiced):
	name = 'sluiced (Redis)'

	@classmethod
	def missing(cls):
		return None if shutil.which('redis-server') else 'redis-server'

	def directory(self):
		unix = self.path('redis.sock')
		self.redis = Process(OTHER_CORE, 'redis-server', '--port', '0', '--unixsocket', unix, '--unixsocketperm', '777', '--save', '',
			'--appendonly', 'no', '--dir', self.dir, log=self.path('redis.log'))
		wait_for('redis-server', lambda: os.path.exists(unix))
		with socket.socket(socket.AF_UNIX) as s:
			s.connect(unix)
			for i in range(USERS):
				s.sendall(b'SET sluice:user:{user%d} b%d\r\n' % (i, i % len(self.bench.stubs)))
				if s.recv(100) != b'+OK\r\n':
					raise Trouble('redis-server takes no record')
		return 'driver = "redis"; redis = "unix:%s";' % unix

	def stop(self):
		super().stop()
		if hasattr(self, 'redis'):
			self.redis.stop()
