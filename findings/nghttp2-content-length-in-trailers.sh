#!/bin/sh
# nghttp2 (by ngh2 0.3.0) holds a body to a Content-Length that comes only in the trailers; h2 4.4.1 passes it on as text.
#
# A request without a length, five bytes of body, and a trailer section with content-length. With 5 both servers end the
# request. With 6 nghttp2 treats the request as malformed and never tells its end, while h2 ends it and hands the field
# over. RFC 9110, 6.5.1 says that a sender must not put framing there, and a recipient may ignore it or not; so a proxy
# that forwards such a field decides with it whether the app sees a request at all. A server's tests with one of the two
# libraries say nothing about the other.
#
# Output seen:
#   5 nghttp2 ends it, h2 ends it
#   6 nghttp2 does not end it, h2 ends it
#
# Source: nghttp2, lib/nghttp2_http.c, http_request_on_header() and nghttp2_http_on_remote_end_stream(): the field sets the
# stream's content_length wherever it stands, and the end of the stream is compared with it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ngh2==0.3.0 h2==4.4.1
"$folder/venv/bin/python" - >"$folder/output" <<'PYTHON'
import h2.config
import h2.connection
import h2.events
import ngh2

for length in ("5", "6"):
    client = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False))
    client.initiate_connection()
    client.send_headers(1, [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a")])
    client.send_data(1, b"hello")
    client.send_headers(1, [("content-length", length)], end_stream=True)
    data = client.data_to_send()
    one = ngh2.Connection(ngh2.Role.SERVER)
    one.initiate_connection()
    one.receive_data(data)
    ended = any(isinstance(event, ngh2.TrailersReceived) for event in one.events())
    other = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    other.initiate_connection()
    also = any(isinstance(event, h2.events.StreamEnded) for event in other.receive_data(data))
    words = {True: "ends it", False: "does not end it"}
    print(f"{length} nghttp2 {words[ended]}, h2 {words[also]}")
PYTHON
cat "$folder/output"
printf '5 nghttp2 ends it, h2 ends it\n6 nghttp2 does not end it, h2 ends it\n' | cmp -s - "$folder/output" || {
  echo "one of them behaves differently now" >&2
  exit 1
}
