/* Certificates that change under way, in the layouts that people and their tools make: noticed by inotify, or by the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <ev.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/file_watch.h"
#include "daemon/files.h"
#include "daemon/settings.h"
#include "route/backend.h"
#include "tls_help.h"

#define OFTEN 0.1
#define NEVER 1000.0
#define PATIENCE 8.0

static struct test_cert one, two;
static struct ev_loop *loop;
static unsigned told, reloads;

/* A daemon's share: its settings, what it has loaded, and the watch. */
struct fixture {
	struct settings s;
	struct cluster cluster;
	struct files f;
	struct file_watch w;
	char path[256];
	const char *paths[1];
};

static int set_up(void **state)
{
	(void)state;
	scratch_init();
	one = make_cert((struct cert_wish){ .cn = "one.example", .days = 90 });
	two = make_cert((struct cert_wish){ .cn = "two.example", .days = 90 });
	loop = ev_loop_new(EVFLAG_AUTO);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free_cert(&one);
	free_cert(&two);
	ev_loop_destroy(loop);
	scratch_fini();
	return 0;
}

/* ---- the loop ---- */

static void give_up(struct ev_loop *ev, ev_timer *t, int events)
{
	(void)t, (void)events;
	ev_break(ev, EVBREAK_ALL);
}

/* Until *count has grown, or for that long. */
static bool grows(const unsigned *count, double seconds)
{
	unsigned before = *count;
	ev_timer t;

	ev_timer_init(&t, give_up, seconds, 0);
	ev_now_update(loop);
	ev_timer_start(loop, &t);
	while (*count == before && ev_is_active(&t))
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &t);
	return *count != before;
}

static void on_reloaded(enum worker_mail kind, void *arg)
{
	(void)arg;
	assert_int_equal(kind, MAIL_CERTS);
	reloads++;
}

static void on_told(void *arg)
{
	struct fixture *x = arg;

	told++;
	if (x->f.certs)
		files_reload_changed(&x->f, &x->s, on_reloaded, NULL);
}

/* ---- the layouts ---- */

static void folder(const char *name)
{
	assert_int_equal(mkdir(scratch_path(name), 0755), 0);
}

/* As ln -sfn does it, by a rename. */
static void set_link(const char *to, const char *name)
{
	const char *new = scratch_path("new.link");

	assert_int_equal(symlink(to, new), 0);
	assert_int_equal(rename(new, scratch_path(name)), 0);
}

static void put(const struct test_cert *cert, const char *name)
{
	write_pem(name, cert->cert, NULL, cert->key);
}

static void load(struct fixture *x, const char *path)
{
	char err[FILES_ERR_MAX];

	*x = (struct fixture){ .s.path = "nowhere", .s.cluster = &x->cluster, .s.certs = { .paths = x->paths, .npaths = 1 } };
	snprintf(x->path, sizeof(x->path), "%s", scratch_path(path));
	x->paths[0] = x->path;
	if (!files_load(&x->f, &x->s, err, sizeof(err)))
		fail_msg("%s", err);
}

static void watch(struct fixture *x, double every)
{
	file_watch_start(&x->w, loop, every, on_told, x);
	file_watch_add(&x->w, x->path);
	assert_true(grows(&told, PATIENCE));	/* at the start */
}

static void done(struct fixture *x)
{
	file_watch_stop(&x->w);
	files_fini(&x->f);
}

/* ---- by inotify ---- */

static void a_file_that_is_renamed_into_its_place_is_told_without_the_clock(void **s)
{
	struct fixture x;

	(void)s;
	folder("plain");
	put(&one, "plain/mail.pem");
	load(&x, "plain/mail.pem");
	watch(&x, NEVER);
	put(&two, "plain/new");
	assert_int_equal(rename(scratch_path("plain/new"), scratch_path("plain/mail.pem")), 0);
	assert_true(grows(&reloads, PATIENCE));
	assert_false(grows(&told, FILE_WATCH_QUIET + 0.5));
	done(&x);
}

/* ---- by the clock ---- */

static void a_folder_of_links_to_links_is_looked_through(void **s)
{
	struct fixture x;

	(void)s;
	folder("of");	/* a watched folder's parent is watched, too */
	folder("of/many");
	folder("live");
	folder("archive");
	put(&one, "archive/full1.pem");
	put(&two, "archive/full2.pem");
	set_link("../archive/full1.pem", "live/full.pem");
	set_link("../../live/full.pem", "of/many/x.pem");
	load(&x, "of/many");
	watch(&x, OFTEN);
	assert_false(grows(&reloads, 5 * OFTEN));
	set_link("../archive/full2.pem", "live/full.pem");
	assert_true(grows(&reloads, PATIENCE));
	done(&x);
}

static void a_link_to_a_folder_that_is_set_anew_is_noticed(void **s)
{
	struct fixture x;

	(void)s;
	folder("p");
	folder("p/v1");
	folder("p/v2");
	put(&one, "p/v1/mail.pem");
	put(&two, "p/v2/mail.pem");
	set_link("v1", "p/current");
	load(&x, "p/current/mail.pem");
	watch(&x, OFTEN);
	set_link("v2", "p/current");
	assert_true(grows(&reloads, PATIENCE));
	done(&x);
}

/* Lines of the log, by what they hold. */
static unsigned lines_with(int fd, const char *what)
{
	char text[65536];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	unsigned count = 0;

	assert_true(n >= 0);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, what)); at++)
		count++;
	return count;
}

/* What is logged, from now on, in a file; the old place, to be given back. */
static int log_into(int *saved)
{
	int fd = open(scratch_path("log"), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	*saved = dup(STDERR_FILENO);
	assert_true(fd >= 0 && *saved >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	return fd;
}

static void log_back(int fd, int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
}

static void a_folder_that_is_made_again_is_read_and_its_loss_is_logged_once(void **s)
{
	struct fixture x;
	int saved, log;

	(void)s;
	folder("lost");
	put(&one, "lost/mail.pem");
	load(&x, "lost/mail.pem");
	watch(&x, OFTEN);
	log = log_into(&saved);
	unlink(scratch_path("lost/mail.pem"));
	rmdir(scratch_path("lost"));
	for (int i = 0; i < 5; i++)
		assert_true(grows(&told, PATIENCE));
	assert_int_equal(lines_with(log, "level=warn event=not-watched path="), 1);
	assert_int_equal(lines_with(log, "event=reload-failed"), 1);
	folder("lost");
	put(&two, "lost/mail.pem");
	assert_true(grows(&reloads, PATIENCE));
	log_back(log, saved);
	done(&x);
}

/* ---- what fails for a reason that passes ---- */

static void use_up_descriptors(struct rlimit *before)
{
	int fd = dup(STDIN_FILENO);	/* the lowest that is free */

	assert_true(fd >= 0 && getrlimit(RLIMIT_NOFILE, before) == 0);
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)fd, before->rlim_max }), 0);
}

static void what_failed_for_want_of_descriptors_is_tried_again_and_told_once(void **s)
{
	struct rlimit before;
	struct fixture x;
	unsigned then;
	int saved, log;

	(void)s;
	put(&one, "alone.pem");
	load(&x, "alone.pem");
	put(&two, "alone.pem");
	log = log_into(&saved);
	use_up_descriptors(&before);
	then = reloads;
	for (int i = 0; i < 8; i++)
		files_reload_changed(&x.f, &x.s, on_reloaded, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(reloads, then);
	assert_int_equal(lines_with(log, "event=reload-failed"), 1);
	for (int i = 0; i < FILES_PAUSE_MAX && reloads == then; i++)
		files_reload_changed(&x.f, &x.s, on_reloaded, NULL);
	assert_int_equal(reloads, then + 1);
	for (int i = 0; i < 2 * FILES_PAUSE_MAX; i++)
		files_reload_changed(&x.f, &x.s, on_reloaded, NULL);
	assert_int_equal(reloads, then + 1);
	log_back(log, saved);
	done(&x);
}

static void a_broken_file_is_told_once_and_again_when_it_changes(void **s)
{
	struct fixture x;
	int saved, log;

	(void)s;
	put(&one, "broken.pem");
	load(&x, "broken.pem");
	log = log_into(&saved);
	fclose(scratch_open("broken.pem"));
	for (int i = 0; i < 3 * FILES_PAUSE_MAX; i++)
		files_reload_changed(&x.f, &x.s, on_reloaded, NULL);
	assert_int_equal(lines_with(log, "event=reload-failed"), 1);
	put(&two, "broken.new");
	assert_int_equal(truncate(scratch_path("broken.new"), 0), 0);
	assert_int_equal(rename(scratch_path("broken.new"), x.path), 0);
	files_reload_changed(&x.f, &x.s, on_reloaded, NULL);
	assert_int_equal(lines_with(log, "event=reload-failed"), 2);
	log_back(log, saved);
	done(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_that_is_renamed_into_its_place_is_told_without_the_clock),
		cmocka_unit_test(a_folder_of_links_to_links_is_looked_through),
		cmocka_unit_test(a_link_to_a_folder_that_is_set_anew_is_noticed),
		cmocka_unit_test(a_folder_that_is_made_again_is_read_and_its_loss_is_logged_once),
		cmocka_unit_test(what_failed_for_want_of_descriptors_is_tried_again_and_told_once),
		cmocka_unit_test(a_broken_file_is_told_once_and_again_when_it_changes),
	};

	return cmocka_run_group_tests_name("file_watch", tests, set_up, tear_down);
}
