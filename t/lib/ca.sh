# ca.sh - a throw-away certificate authority in a folder, and certificates from it: ECDSA P-256, good for two months.
#
#	ca_make DIR [NAME]		DIR/ca.pem, DIR/ca.key
#	ca_server DIR X.pem [SAN]	X.pem: certificate and key in one file; X.crt, X.key: the same apart
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

ca_server()
{
	local dir=$1 file=${2%.pem} san=${3:-$CA_NAMES}
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$file.key" -out "$file.csr" -subj "/CN=throw-away" 2>/dev/null &&
	printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:false\n' "$san" >"$file.ext" &&
	openssl x509 -req -in "$file.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days 60 -extfile "$file.ext" -out "$file.crt" 2>/dev/null &&
	cat "$file.crt" "$file.key" >"$file.pem" &&
	chmod 644 "$file.pem" "$file.crt" "$file.key" &&
	rm -f "$file.csr" "$file.ext"
}

ca_fingerprint() { openssl x509 -in "$1" -noout -fingerprint -sha256; }
