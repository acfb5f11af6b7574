# ca.sh - a throw-away certificate authority in a folder, and certificates from it: ECDSA P-256 (or CA_NEWKEY), good for two months.
#
#	ca_make DIR [NAME]		DIR/ca.pem, DIR/ca.key
#	ca_server DIR X.pem [SAN]	X.pem: certificate and key in one file; X.crt, X.key: the same apart
#	ca_client DIR X.pem CN [SAN]	the same, for a client, with this common name
#	ca_ocsp DIR X.pem [DAYS]	X.ocsp: the authority's response about X.crt, good for DAYS (1)
#	ca_fingerprint FILE		SHA-256 of the certificate
#
# Keys are readable for everybody: the servers run as other users, and the keys are worth nothing.

CA_NAMES='DNS:localhost,DNS:mail.example,IP:127.0.0.1'

ca_make()
{
	mkdir -p "$1"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 60 -keyout "$1/ca.key" -out "$1/ca.pem" \
		-subj "/CN=${2:-throw-away CA}" -addext 'keyUsage=critical,keyCertSign,cRLSign' 2>/dev/null
}

ca_server() { ca_issue "$1" "$2" throw-away "subjectAltName=${3:-$CA_NAMES}" serverAuth; }
ca_client() { ca_issue "$1" "$2" "$3" "${4:+subjectAltName=$4}" clientAuth; }

ca_issue()	# DIR X.pem CN SAN-LINE USE
{
	local dir=$1 file=${2%.pem}
	openssl req -newkey ${CA_NEWKEY:-ec -pkeyopt ec_paramgen_curve:P-256} -noenc -keyout "$file.key" -out "$file.csr" -subj "/CN=$3" 2>/dev/null &&
	printf '%s\nextendedKeyUsage=%s\nbasicConstraints=CA:false\n' "$4" "$5" >"$file.ext" &&
	openssl x509 -req -in "$file.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 60 -extfile "$file.ext" -out "$file.crt" 2>/dev/null &&
	cat "$file.crt" "$file.key" >"$file.pem" &&
	chmod 644 "$file.pem" "$file.crt" "$file.key" &&
	rm -f "$file.csr" "$file.ext"
}

ca_ocsp()
{
	local dir=$1 file=${2%.pem} days=${3:-1} serial
	serial=$(openssl x509 -in "$file.crt" -noout -serial) || return 1
	printf 'V\t491231235959Z\t\t%s\tunknown\t/CN=throw-away\n' "${serial#serial=}" >"$file.index"
	openssl ocsp -issuer "$dir/ca.pem" -cert "$file.crt" -no_nonce -reqout "$file.req" >/dev/null 2>&1 &&
	openssl ocsp -index "$file.index" -CA "$dir/ca.pem" -rsigner "$dir/ca.pem" -rkey "$dir/ca.key" -reqin "$file.req" -respout "$file.ocsp" \
		-ndays "$days" >/dev/null 2>&1 &&
	rm -f "$file.index" "$file.req"
}

ca_fingerprint() { openssl x509 -in "$1" -noout -fingerprint -sha256; }
