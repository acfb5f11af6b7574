#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <ev.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/resolver.h"

/* ---- a name server in the same loop: it gives every name the same records ---- */

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28 };
enum { RCODE_OK = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3 };

static struct dns {
	int fd;
	uint16_t port;
	ev_io io;
	unsigned asked;			/* questions so far */
	bool silent;
	unsigned lose;			/* so many questions more are not answered */
	int rcode;
	unsigned v4, v6;		/* how many addresses: 192.0.2.1.., 2001:db8::1.. */
	uint32_t ttl, cname_ttl;	/* cname_ttl 0: no CNAME */
} dns;

static void put16(unsigned char **p, unsigned n)
{
	*(*p)++ = (unsigned char)(n >> 8);
	*(*p)++ = (unsigned char)n;
}

static void put_head(unsigned char **p, unsigned name, unsigned type, uint32_t ttl, unsigned len)
{
	put16(p, 0xc000 | name);	/* a pointer */
	put16(p, type);
	put16(p, 1);
	put16(p, ttl >> 16);
	put16(p, ttl & 0xffff);
	put16(p, len);
}

static void put_address(unsigned char **p, unsigned name, unsigned type, unsigned last)
{
	static const unsigned char v6[16] = { 0x20, 0x01, 0x0d, 0xb8 }, v4[4] = { 192, 0, 2 };
	unsigned len = type == TYPE_A ? 4 : 16;

	put_head(p, name, type, dns.ttl, len);
	memcpy(*p, type == TYPE_A ? v4 : v6, len);
	*p += len;
	(*p)[-1] = (unsigned char)last;
}

/* m: the question, n bytes; room for the answers behind it. */
static size_t answer_question(unsigned char *m, size_t n)
{
	size_t qname = strlen((char *)m + 12) + 1, question = 12 + qname + 4;
	unsigned type = m[question - 3], count = 0, name = 12;
	unsigned char *p = m + question;

	assert_true(question <= n);
	count = dns.rcode != RCODE_OK ? 0 : type == TYPE_A ? dns.v4 : type == TYPE_AAAA ? dns.v6 : 0;
	if (count > 0 && dns.cname_ttl > 0) {
		put_head(&p, name, TYPE_CNAME, dns.cname_ttl, 4);
		name = (unsigned)(p - m);
		memcpy(p, "\1c\xc0\x0c", 4);
		p += 4;
	}
	for (unsigned i = 1; i <= count; i++)
		put_address(&p, name, type, i);
	m[2] = 0x81;
	m[3] = (unsigned char)(0x80 | dns.rcode);
	m[7] = (unsigned char)(count + (count > 0 && dns.cname_ttl > 0));
	memset(m + 8, 0, 4);
	return (size_t)(p - m);
}

static void on_question(struct ev_loop *ev, ev_io *io, int events)
{
	unsigned char m[4096];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(io->fd, m, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	(void)ev, (void)events;
	if (n < 0)
		return;
	dns.asked++;
	if (dns.silent)
		return;
	if (dns.lose > 0) {
		dns.lose--;
		return;
	}
	(void)!sendto(io->fd, m, answer_question(m, (size_t)n), 0, (struct sockaddr *)&from, len);
}

static void dns_start(struct ev_loop *ev)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	dns = (struct dns){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .v4 = 1, .ttl = 60 };
	assert_int_equal(bind(dns.fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(dns.fd, (struct sockaddr *)&sin, &len), 0);
	dns.port = ntohs(sin.sin_port);
	ev_io_init(&dns.io, on_question, dns.fd, EV_READ);
	ev_io_start(ev, &dns.io);
}

/* ---- the loop ---- */

static struct ev_loop *ev;
static struct net_loop loop;
static ev_timer pulse;		/* ev_run(EVRUN_ONCE) comes back at least this often */
static struct resolver *resolver;

static void on_pulse(struct ev_loop *l, ev_timer *w, int events)
{
	(void)l, (void)w, (void)events;
}

static int set_up(void **s)
{
	char servers[32];

	(void)s;
	ev = ev_loop_new(EVFLAG_AUTO);
	net_loop_init(&loop, ev);
	ev_timer_init(&pulse, on_pulse, 0.02, 0.02);
	ev_timer_start(ev, &pulse);
	dns_start(ev);
	resolver = resolver_new(&loop);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", (unsigned)dns.port);
	assert_true(resolver_set_servers(resolver, servers));
	return 0;
}

static int tear_down(void **s)
{
	(void)s;
	resolver_free(&resolver);
	ev_io_stop(ev, &dns.io);
	close(dns.fd);
	ev_timer_stop(ev, &pulse);
	net_loop_fini(&loop);
	ev_loop_destroy(ev);
	return 0;
}

#define WAIT_MAX 20.0	/* seconds until a test that waits has failed */

#define wait_until(what)							\
	do {									\
		double wait_end = clock_monotonic() + WAIT_MAX;			\
		while (!(what)) {						\
			assert_true(clock_monotonic() < wait_end);		\
			ev_run(ev, EVRUN_ONCE);					\
		}								\
	} while (0)

static void run_for(double seconds)
{
	double end = clock_monotonic() + seconds;

	while (clock_monotonic() < end)
		ev_run(ev, EVRUN_ONCE);
}

/* ---- an asker that keeps the answer ---- */

struct asker {
	struct resolver_query query;
	unsigned times;
	struct resolver_answer answer;
	char failure[NET_FAILURE_MAX];
};

static void on_answer(struct resolver_query *q, const struct resolver_answer *a)
{
	struct asker *k = CONTAINER_OF(q, struct asker, query);

	assert_null(q->name);
	k->times++;
	k->answer = *a;
	snprintf(k->failure, sizeof(k->failure), "%s", a->n == 0 ? loop.failure : "");
}

/* As if it were seconds later; the loop's next turn sets the clock right again. true: answered at once. */
static bool start_later(double seconds, struct asker *k, const char *host)
{
	double now = loop.timers.now;
	struct resolver_answer a;
	bool at_once;

	*k = (struct asker){ 0 };
	loop.timers.now += seconds;
	at_once = resolver_find(resolver, host, &k->query, on_answer, &a);
	loop.timers.now = now;
	if (at_once)
		on_answer(&k->query, &a);
	return at_once;
}

static bool start(struct asker *k, const char *host)
{
	return start_later(0, k, host);
}

static void find(struct asker *k, const char *host)
{
	if (start(k, host))
		return;
	assert_int_equal(k->times, 0);
	wait_until(k->times > 0);
	assert_int_equal(k->times, 1);
}

static void expect_first(const struct asker *k, const char *ip)
{
	char text[ADDR_TEXT_MAX];

	assert_true(k->answer.n > 0);
	assert_string_equal(addr_ip_text(&k->answer.addrs[0], text), ip);
	assert_int_equal(k->answer.addrs[0].port, 0);
}

/* ---- tests ---- */

static void localhost_is_known_without_asking(void **s)
{
	struct asker k;
	bool loopback = true;

	(void)s;
	assert_true(start(&k, "localhost"));
	assert_true(k.answer.n > 0);
	for (size_t i = 0; i < k.answer.n; i++)
		loopback &= addr_is_loopback(&k.answer.addrs[i]);
	assert_true(loopback);
	assert_int_equal(dns.asked, 0);
}

static void an_address_is_its_own_answer(void **s)
{
	struct asker k;

	(void)s;
	assert_true(start(&k, "198.51.100.7"));
	expect_first(&k, "198.51.100.7");
	assert_true(start(&k, "10.0.0.1"));
	expect_first(&k, "10.0.0.1");
	assert_true(start(&k, "2001:db8::7"));
	expect_first(&k, "2001:db8::7");
	assert_int_equal(dns.asked, 0);
}

static void both_families_are_asked_and_given(void **s)
{
	struct asker k;
	unsigned v4 = 0, v6 = 0;

	(void)s;
	dns.v6 = 2;
	find(&k, "mb1.example.");
	for (size_t i = 0; i < k.answer.n; i++) {
		v4 += k.answer.addrs[i].family == AF_INET;
		v6 += k.answer.addrs[i].family == AF_INET6;
	}
	assert_int_equal(v4, 1);
	assert_int_equal(v6, 2);
}

static void a_name_with_one_family_only_is_found(void **s)
{
	struct asker k;

	(void)s;
	find(&k, "four.example.");
	expect_first(&k, "192.0.2.1");
	dns.v4 = 0;
	dns.v6 = 1;
	find(&k, "six.example.");
	expect_first(&k, "2001:db8::1");
}

static void askers_of_one_name_share_one_look_up(void **s)
{
	struct asker k[100];

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		assert_false(start(&k[i], "mb1.example."));
	wait_until(k[0].times && k[99].times);
	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		assert_int_equal(k[i].times, 1);
		expect_first(&k[i], "192.0.2.1");
	}
	assert_int_equal(dns.asked, 2);	/* A and AAAA */
}

static void an_answer_is_kept_as_long_as_its_ttl_says(void **s)
{
	struct asker k;

	(void)s;
	find(&k, "mb1.example.");
	assert_true(start_later(58, &k, "mb1.example."));
	assert_int_equal(dns.asked, 2);
	assert_false(start_later(61, &k, "mb1.example."));
	wait_until(k.times);
	expect_first(&k, "192.0.2.1");
	assert_int_equal(dns.asked, 4);
}

static void the_shortest_ttl_of_a_chain_counts(void **s)
{
	struct asker k;

	(void)s;
	dns.ttl = 3000;
	dns.cname_ttl = 60;
	find(&k, "alias.example.");
	expect_first(&k, "192.0.2.1");
	assert_true(start_later(58, &k, "alias.example."));
	assert_false(start_later(61, &k, "alias.example."));
	wait_until(k.times);
}

static void a_ttl_of_nothing_is_five_seconds(void **s)
{
	struct asker k;

	(void)s;
	dns.ttl = 0;
	find(&k, "mb1.example.");
	assert_true(start_later(RESOLVER_TTL_MIN - 1, &k, "mb1.example."));
	assert_false(start_later(RESOLVER_TTL_MIN + 1, &k, "mb1.example."));
	wait_until(k.times);
}

static void a_ttl_of_a_month_is_an_hour(void **s)
{
	struct asker k;

	(void)s;
	dns.ttl = 30 * 86400;
	find(&k, "mb1.example.");
	assert_true(start_later(RESOLVER_TTL_MAX - 1, &k, "mb1.example."));
	assert_false(start_later(RESOLVER_TTL_MAX + 1, &k, "mb1.example."));
	wait_until(k.times);
}

static void no_more_than_eight_addresses_are_given(void **s)
{
	struct asker k;

	(void)s;
	dns.v4 = 20;
	find(&k, "big.example.");
	assert_int_equal(k.answer.n, RESOLVER_ADDRS_MAX);
}

static void a_name_that_is_not_there_is_remembered_for_two_seconds(void **s)
{
	struct asker k;
	unsigned asked;

	(void)s;
	dns.rcode = RCODE_NXDOMAIN;
	find(&k, "gone.example.");
	assert_int_equal(k.answer.n, 0);
	assert_int_equal(strncmp(k.failure, "no address of gone.example.: ", 29), 0);
	asked = dns.asked;
	for (unsigned i = 0; i < 100; i++) {
		loop.failure[0] = '\0';
		assert_true(start_later(1, &k, "gone.example."));
		assert_int_equal(k.answer.n, 0);
		assert_int_equal(strncmp(k.failure, "no address of gone.example.: ", 29), 0);
	}
	assert_int_equal(dns.asked, asked);
	dns.rcode = RCODE_OK;
	assert_false(start_later(RESOLVER_RETRY + 0.5, &k, "gone.example."));
	wait_until(k.times);
	expect_first(&k, "192.0.2.1");
}

static void a_name_without_addresses_is_a_failure(void **s)
{
	struct asker k;

	(void)s;
	dns.v4 = 0;
	find(&k, "empty.example.");
	assert_int_equal(k.answer.n, 0);
	assert_non_null(strstr(k.failure, "no address of empty.example."));
}

static void an_old_answer_serves_when_the_new_look_up_fails(void **s)
{
	struct asker k;
	unsigned asked;

	(void)s;
	find(&k, "mb1.example.");
	dns.rcode = RCODE_SERVFAIL;
	assert_false(start_later(100, &k, "mb1.example."));
	wait_until(k.times);
	expect_first(&k, "192.0.2.1");

	/* From now on nobody waits for it. */
	asked = dns.asked;
	assert_true(start_later(1, &k, "mb1.example."));
	expect_first(&k, "192.0.2.1");
	assert_int_equal(dns.asked, asked);
	dns.rcode = RCODE_OK;
	dns.v4 = 0;
	dns.v6 = 1;
	assert_true(start_later(RESOLVER_RETRY + 0.5, &k, "mb1.example."));
	expect_first(&k, "192.0.2.1");
	run_for(0.2);
	assert_true(dns.asked > asked);
	assert_true(start(&k, "mb1.example."));
	expect_first(&k, "2001:db8::1");
}

static void a_lost_question_is_asked_again(void **s)
{
	struct asker k;

	(void)s;
	dns.lose = 2;
	find(&k, "mb1.example.");
	expect_first(&k, "192.0.2.1");
	assert_true(dns.asked >= 4);
}

static void a_cancelled_asker_is_not_told_and_the_others_are(void **s)
{
	struct asker k[3];

	(void)s;
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		assert_false(start(&k[i], "mb1.example."));
	resolver_cancel(resolver, &k[1].query);
	resolver_cancel(resolver, &k[1].query);
	wait_until(k[0].times && k[2].times);
	run_for(0.05);
	assert_int_equal(k[1].times, 0);
	assert_int_equal(k[0].times + k[2].times, 2);
}

static struct asker cancelled[2], again;

static void on_answer_cancel(struct resolver_query *q, const struct resolver_answer *a)
{
	struct resolver_answer second;

	on_answer(q, a);
	resolver_cancel(resolver, &cancelled[0].query);
	resolver_cancel(resolver, &cancelled[1].query);
	assert_true(resolver_find(resolver, "mb1.example.", &again.query, on_answer, &second));
	again.answer = second;
}

static void an_answer_may_cancel_and_ask(void **s)
{
	struct asker k = { 0 };
	struct resolver_answer a;

	(void)s;
	/* On both sides of k in any order of service: one of them may be told before it. */
	assert_false(start(&cancelled[0], "mb1.example."));
	assert_false(resolver_find(resolver, "mb1.example.", &k.query, on_answer_cancel, &a));
	assert_false(start(&cancelled[1], "mb1.example."));
	wait_until(k.times);
	run_for(0.05);
	assert_int_equal(k.times, 1);
	assert_int_equal(cancelled[0].times + cancelled[1].times, 1);
	expect_first(&again, "192.0.2.1");
}

static void only_so_many_names_are_looked_up_at_a_time(void **s)
{
	static struct asker k[RESOLVER_NAMES_MAX], one_more;
	char host[32];

	(void)s;
	dns.silent = true;
	for (unsigned i = 0; i < RESOLVER_NAMES_MAX; i++) {
		snprintf(host, sizeof(host), "mb%u.example.", i);
		assert_false(start(&k[i], host));
	}
	assert_true(start(&one_more, "one-more.example."));
	assert_int_equal(one_more.answer.n, 0);
	assert_string_equal(one_more.failure, "too many look-ups at a time");
	for (unsigned i = 0; i < RESOLVER_NAMES_MAX; i++)
		resolver_cancel(resolver, &k[i].query);
}

static void remembered_names_make_room_for_new_ones(void **s)
{
	struct asker k;
	char host[32];

	(void)s;
	find(&k, "mb1.example.");
	dns.rcode = RCODE_NXDOMAIN;		/* failures are over first, so they go first */
	for (unsigned i = 0; i < RESOLVER_NAMES_MAX + 10; i++) {
		snprintf(host, sizeof(host), "mb%u.example.", i + 2);
		find(&k, host);
		assert_non_null(strstr(k.failure, host));
	}
	assert_true(start(&k, "mb1.example."));
	expect_first(&k, "192.0.2.1");
}

static void a_look_up_under_way_ends_with_the_resolver(void **s)
{
	struct asker k;

	(void)s;
	dns.silent = true;
	assert_false(start(&k, "mb1.example."));
	run_for(0.05);
	resolver_cancel(resolver, &k.query);
	resolver_free(&resolver);
	run_for(0.3);
	assert_int_equal(k.times, 0);
}

static void servers_that_make_no_sense_are_refused(void **s)
{
	(void)s;
	assert_false(resolver_set_servers(resolver, "nobody at all"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(localhost_is_known_without_asking),
		TEST(an_address_is_its_own_answer),
		TEST(both_families_are_asked_and_given),
		TEST(a_name_with_one_family_only_is_found),
		TEST(askers_of_one_name_share_one_look_up),
		TEST(an_answer_is_kept_as_long_as_its_ttl_says),
		TEST(the_shortest_ttl_of_a_chain_counts),
		TEST(a_ttl_of_nothing_is_five_seconds),
		TEST(a_ttl_of_a_month_is_an_hour),
		TEST(no_more_than_eight_addresses_are_given),
		TEST(a_name_that_is_not_there_is_remembered_for_two_seconds),
		TEST(a_name_without_addresses_is_a_failure),
		TEST(an_old_answer_serves_when_the_new_look_up_fails),
		TEST(a_lost_question_is_asked_again),
		TEST(a_cancelled_asker_is_not_told_and_the_others_are),
		TEST(an_answer_may_cancel_and_ask),
		TEST(only_so_many_names_are_looked_up_at_a_time),
		TEST(remembered_names_make_room_for_new_ones),
		TEST(a_look_up_under_way_ends_with_the_resolver),
		TEST(servers_that_make_no_sense_are_refused),
	};
	return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
