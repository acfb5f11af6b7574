/*
 * tls_certs.c - see tls_certs.h: loads files and folders, and finds by name.
 *
 *	all[]	 in the order of the settings: [0] mail.pem (RSA)  [1] mail-ec.pem (ECDSA)  [2] other.pem ...
 *	names[]	 a hash table, made once:	"mail.example.org" -> { all[0], all[1], - }	"*.example.net" -> { -, all[2], - }
 */
#include "net/tls_private.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

#define CHAINS_SEEN 16		/* certificates of authorities that are looked at for one that is there already */

struct name {
	char *text;		/* in lower case; NULL: a free place */
	struct tls_choice choice;
};

/* Shared between threads: immutable but for refs. */
struct tls_certs {
	atomic_uint refs;
	size_t n;
	struct tls_cert *all;
	size_t nnames, nplaces;		/* nplaces is a power of two, at least twice nnames */
	struct name *names;
	const char *first_name;		/* its text; NULL: no certificate has any */
	struct tls_choice first;
	struct tls_client_ca ca;
};

struct loading {
	struct tls_certs *certs;
	tls_certs_doubt_fn *doubt;
	void *arg;
	X509 *seen[CHAINS_SEEN];
	unsigned nseen;
	char *err;
	size_t errlen;
};

/* ---- the table of names ---- */

static uint64_t hash(const char *text, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;	/* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
	return h;
}

/* Where name is, or belongs. Half of the places are free: so it ends, and after a few steps, whatever a client asks for. */
static struct name *place(struct name *names, size_t nplaces, const char *name, size_t n)
{
	size_t at = hash(name, n) & (nplaces - 1);

	while (names[at].text && (strncmp(names[at].text, name, n) != 0 || names[at].text[n] != '\0'))
		at = (at + 1) & (nplaces - 1);
	return &names[at];
}

static void make_room(struct tls_certs *c)
{
	size_t nplaces = c->nplaces ? c->nplaces * 2 : 16;
	struct name *names;

	if ((c->nnames + 1) * 2 <= c->nplaces)
		return;
	names = mem_new_array(nplaces, sizeof(*names));
	for (size_t i = 0; i < c->nplaces; i++)
		if (c->names[i].text)
			*place(names, nplaces, c->names[i].text, strlen(c->names[i].text)) = c->names[i];
	mem_free(&c->names);
	c->names = names;
	c->nplaces = nplaces;
}

static void choice_add(struct tls_choice *choice, const struct tls_cert *cert)
{
	if (!choice->of_kind[cert->kind])
		choice->of_kind[cert->kind] = cert;
}

static void add_name(struct tls_certs *c, const char *text, size_t n, const struct tls_cert *cert)
{
	struct name *name;

	make_room(c);
	name = place(c->names, c->nplaces, text, n);
	if (!name->text) {
		name->text = mem_span_dup((struct span){ text, n });
		if (c->nnames++ == 0)
			c->first_name = name->text;
	}
	choice_add(&name->choice, cert);
}

/* ---- names ---- */

static bool is_of_host(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.';
}

/* Into lower, of TLS_NAME_MAX + 1 bytes, without a last dot; 0: not a host name. */
static size_t lower_name(char *lower, struct span name)
{
	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	if (name.n > TLS_NAME_MAX)
		return 0;
	for (size_t i = 0; i < name.n; i++) {
		if (!is_of_host(name.p[i]))
			return 0;
		lower[i] = (char)tolower((unsigned char)name.p[i]);
	}
	lower[name.n] = '\0';
	return name.n;
}

/* Of a certificate: also "*.example.org", but no other place for the star. */
static void add_cert_name(struct tls_certs *c, const ASN1_STRING *text, const struct tls_cert *cert)
{
	struct span name = span_mem(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
	bool wild = name.n > 2 && name.p[0] == '*' && name.p[1] == '.';
	char lower[2 + TLS_NAME_MAX + 1] = "*.";
	size_t n = lower_name(lower + 2, wild ? span_mem(name.p + 2, name.n - 2) : name);

	if (n > 0 && lower[2] != '.')
		add_name(c, wild ? lower : lower + 2, wild ? n + 2 : n, cert);
}

/* Returns how many there were. */
static int add_san(struct tls_certs *c, const GENERAL_NAMES *names, const struct tls_cert *cert)
{
	int dns = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && dns < TLS_CERT_NAMES_MAX; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		add_cert_name(c, name->d.dNSName, cert);
		dns++;
	}
	return dns;
}

static void add_common_name(struct tls_certs *c, const struct tls_cert *cert)
{
	const X509_NAME *subject = X509_get_subject_name(cert->pair.cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	if (at >= 0)
		add_cert_name(c, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), cert);
}

static void add_names(struct tls_certs *c, const struct tls_cert *cert)
{
	GENERAL_NAMES *san = X509_get_ext_d2i(cert->pair.cert, NID_subject_alt_name, NULL, NULL);

	if (!san || add_san(c, san, cert) == 0)
		add_common_name(c, cert);
	GENERAL_NAMES_free(san);
	ERR_clear_error();
}

/* Who asks for no name gets the first, or what is there of another kind for its first name. */
static void choose_first(struct tls_certs *c)
{
	const struct tls_cert *first = &c->all[0];
	const struct name *name = c->first_name ? place(c->names, c->nplaces, c->first_name, strlen(c->first_name)) : NULL;

	if (name && name->choice.of_kind[first->kind] == first)
		c->first = name->choice;
	else
		choice_add(&c->first, first);
}

/* ---- loading ---- */

/* The same few authorities stand behind thousands of certificates: one copy of each will do. */
static void share_chain(struct loading *l, STACK_OF(X509) *chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++) {
		X509 *mine = sk_X509_value(chain, i);
		unsigned at = 0;

		while (at < CHAINS_SEEN && l->seen[at] && X509_cmp(l->seen[at], mine) != 0)
			at++;
		if (at < CHAINS_SEEN && l->seen[at]) {
			X509_up_ref(l->seen[at]);
			sk_X509_set(chain, i, l->seen[at]);
			X509_free(mine);
		} else {
			l->seen[l->nseen++ % CHAINS_SEEN] = mine;	/* the first that has it keeps it */
		}
	}
}

static enum tls_cert_kind kind_of(const EVP_PKEY *key)
{
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return TLS_CERT_RSA;
	case EVP_PKEY_EC:
		return TLS_CERT_ECDSA;
	default:
		return TLS_CERT_OTHER;
	}
}

static void load_ocsp(struct loading *l, struct tls_cert *cert)
{
	char *path = tls_file_beside(cert->path, ".ocsp"), why[512];

	if (!tls_ocsp_load(&cert->ocsp, path, cert->pair.cert, why, sizeof(why)) && l->doubt)
		l->doubt(why, l->arg);
	mem_free(&path);
}

static bool load_file(struct loading *l, const char *path, const char *key)
{
	struct tls_certs *c = l->certs;
	struct tls_cert *cert;

	if (c->n == TLS_CERTS_MAX) {
		snprintf(l->err, l->errlen, "%s: more than %d certificates", path, TLS_CERTS_MAX);
		return false;
	}
	if ((c->n & (c->n - 1)) == 0)	/* full at each power of two */
		c->all = mem_grow(c->all, c->n * sizeof(*cert), (c->n ? c->n * 2 : 1) * sizeof(*cert));
	cert = &c->all[c->n++];
	cert->path = mem_strdup(path);
	if (!tls_pair_load(&cert->pair, path, key, l->err, l->errlen))
		return false;
	cert->kind = kind_of(cert->pair.key);
	share_chain(l, cert->pair.chain);
	load_ocsp(l, cert);
	return true;
}

static int is_pem(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && e->d_name[0] != '.' && strcmp(e->d_name + n - 4, ".pem") == 0;
}

static char *join(const char *folder, const char *name)
{
	size_t size = strlen(folder) + strlen(name) + 2;
	char *path = mem_new(size);

	snprintf(path, size, "%s/%s", folder, name);
	return path;
}

typedef bool file_fn(const char *path, void *arg);

/* false: the folder cannot be read (errno), or fn said so. */
static bool each_in_folder(const char *folder, file_fn *fn, void *arg, int *count)
{
	struct dirent **entries = NULL;
	bool ok;

	*count = scandir(folder, &entries, is_pem, alphasort);
	ok = *count >= 0;
	for (int i = 0; i < *count; i++) {
		char *path = join(folder, entries[i]->d_name);

		ok = ok && fn(path, arg);
		mem_free(&path);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

static bool load_one_of_folder(const char *path, void *arg)
{
	return load_file(arg, path, NULL);
}

static bool load_folder(struct loading *l, const char *path, const char *key)
{
	int count;

	if (key) {
		snprintf(l->err, l->errlen, "%s: a folder; with it, each key is in FILE.pem or in FILE.key beside it, not in %s", path,
			 key);
		return false;
	}
	if (!each_in_folder(path, load_one_of_folder, l, &count) && count >= 0)
		return false;
	if (count < 0)
		snprintf(l->err, l->errlen, "%s: this folder cannot be read: %s", path, strerror(errno));
	if (count == 0)
		snprintf(l->err, l->errlen, "%s: no file *.pem in this folder", path);
	return count > 0;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool load_client_ca(struct tls_client_ca *ca, const char *path, char *err, size_t errlen)
{
	STACK_OF(X509) *all = tls_authorities_load(path, err, errlen);
	EVP_MD_CTX *md = all ? EVP_MD_CTX_new() : NULL;
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	ca->store = X509_STORE_new();
	ca->names = sk_X509_NAME_new_null();
	for (int i = 0; ok && i < sk_X509_num(all); i++) {
		X509 *one = sk_X509_value(all, i);
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(one));
		unsigned char digest[EVP_MAX_MD_SIZE];
		unsigned n = 0;

		ok = name && sk_X509_NAME_push(ca->names, name) && X509_STORE_add_cert(ca->store, one) == 1
			&& X509_digest(one, EVP_sha256(), digest, &n) == 1 && EVP_DigestUpdate(md, digest, n) == 1;
	}
	if (ok)
		ok = EVP_DigestFinal_ex(md, ca->digest, NULL) == 1;
	if (all && !ok)
		tls_say(err, errlen, path);
	EVP_MD_CTX_free(md);
	sk_X509_pop_free(all, X509_free);
	return ok;
}

static bool load_all(struct loading *l, const struct tls_certs_conf *conf)
{
	bool ok = true;

	for (size_t i = 0; i < conf->npaths && ok; i++)
		ok = is_folder(conf->paths[i]) ? load_folder(l, conf->paths[i], conf->key) : load_file(l, conf->paths[i], conf->key);
	return ok && (!conf->client_ca || load_client_ca(&l->certs->ca, conf->client_ca, l->err, l->errlen));
}

struct tls_certs *tls_certs_load(const struct tls_certs_conf *conf, tls_certs_doubt_fn *doubt, void *arg, char *err, size_t errlen)
{
	struct tls_certs *c = mem_new(sizeof(*c));
	struct loading l = { .certs = c, .doubt = doubt, .arg = arg, .err = err, .errlen = errlen };

	atomic_init(&c->refs, 1);
	if (!load_all(&l, conf)) {
		tls_certs_unref(&c);
		return NULL;
	}
	for (size_t i = 0; i < c->n; i++)	/* all[] stays where it is now */
		add_names(c, &c->all[i]);
	choose_first(c);
	return c;
}

/* ---- references ---- */

struct tls_certs *tls_certs_ref(struct tls_certs *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void tls_certs_unref(struct tls_certs **cp)
{
	struct tls_certs *c = *cp;

	*cp = NULL;
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < c->n; i++) {
		tls_pair_fini(&c->all[i].pair);
		tls_ocsp_fini(&c->all[i].ocsp);
		mem_free(&c->all[i].path);
	}
	for (size_t i = 0; i < c->nplaces; i++)
		mem_free(&c->names[i].text);
	X509_STORE_free(c->ca.store);
	sk_X509_NAME_pop_free(c->ca.names, X509_NAME_free);
	mem_free(&c->all);
	mem_free(&c->names);
	mem_free(&c);
}

/* ---- questions ---- */

const struct tls_choice *tls_certs_find(const struct tls_certs *c, const char *sni)
{
	char text[2 + TLS_NAME_MAX + 1] = "*.", *lower = text + 2, *dot;
	size_t n = sni ? lower_name(lower, span_of(sni)) : 0;
	const struct name *name;

	if (n == 0 || c->nplaces == 0)
		return NULL;
	name = place(c->names, c->nplaces, lower, n);
	if (name->text)
		return &name->choice;
	dot = memchr(lower, '.', n);
	if (!dot || dot == lower)
		return NULL;
	dot[-1] = '*';	/* one label: what is before the first dot */
	name = place(c->names, c->nplaces, dot - 1, n - (size_t)(dot - 1 - lower));
	return name->text ? &name->choice : NULL;
}

const struct tls_choice *tls_certs_first(const struct tls_certs *c)
{
	return &c->first;
}

const struct tls_cert *tls_certs_at(const struct tls_certs *c, size_t i)
{
	return &c->all[i];
}

const struct tls_client_ca *tls_certs_client_ca(const struct tls_certs *c)
{
	return &c->ca;
}

size_t tls_certs_count(const struct tls_certs *c)
{
	return c->n;
}

double tls_certs_days_left(const struct tls_certs *c, const char **path)
{
	double least = 0;

	for (size_t i = 0; i < c->n; i++) {
		int days = 0, seconds = 0;
		double left;

		ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(c->all[i].pair.cert));
		left = days + seconds / 86400.0;
		if (i > 0 && left >= least)
			continue;
		least = left;
		if (path)
			*path = c->all[i].path;
	}
	return least;
}

/* ---- stamps ---- */

static void stamp_bytes(uint64_t *stamp, const void *p, size_t n)
{
	*stamp = *stamp * 0x100000001b3u ^ hash(p, n);
}

static void stamp_file(uint64_t *stamp, const char *path)
{
	struct stat st;

	stamp_bytes(stamp, path, strlen(path));
	if (stat(path, &st) != 0)
		return;
	stamp_bytes(stamp, &st.st_dev, sizeof(st.st_dev));
	stamp_bytes(stamp, &st.st_ino, sizeof(st.st_ino));
	stamp_bytes(stamp, &st.st_size, sizeof(st.st_size));
	stamp_bytes(stamp, &st.st_mtim, sizeof(st.st_mtim));
	stamp_bytes(stamp, &st.st_ctim, sizeof(st.st_ctim));	/* also when it was renamed or its rights changed */
}

static bool stamp_with_company(const char *path, void *arg)
{
	static const char *const ends[] = { ".key", ".ocsp" };

	stamp_file(arg, path);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char *beside = tls_file_beside(path, ends[i]);

		stamp_file(arg, beside);
		mem_free(&beside);
	}
	return true;
}

uint64_t tls_certs_stamp(const struct tls_certs_conf *conf)
{
	uint64_t stamp = 0;
	int count;

	for (size_t i = 0; i < conf->npaths; i++) {
		if (is_folder(conf->paths[i]))
			each_in_folder(conf->paths[i], stamp_with_company, &stamp, &count);
		else
			stamp_with_company(conf->paths[i], &stamp);
	}
	if (conf->key)
		stamp_file(&stamp, conf->key);
	if (conf->client_ca)
		stamp_file(&stamp, conf->client_ca);
	return stamp;
}
