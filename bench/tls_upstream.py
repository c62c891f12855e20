"""The harness's upstream behind TLS: nginx ends it, both programs verify its certificate."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme

TLS_PORT = 8901

_FRONT = """
worker_processes 1; daemon off; pid {folder}/front.pid; error_log {folder}/front.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  client_body_buffer_size 256k; proxy_http_version 1.1;
  upstream up {{ server 127.0.0.1:{mock}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    location / {{ proxy_pass http://up; proxy_buffering off; proxy_set_header Connection ""; }}
  }}
}}
"""


@contextmanager
def tls_front(harness: Any, folder: Path, core: int) -> Iterator[Path]:
    """Serve the mock over TLS within the block; gives the file of the authority that signed for it."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    configuration = folder / "front.conf"
    configuration.write_text(_FRONT.format(folder=folder, mock=harness.MOCK_PORT, port=TLS_PORT))
    process = subprocess.Popen(["nginx", "-c", str(configuration)], preexec_fn=harness.pinned(core))
    try:
        harness.wait_port(TLS_PORT, 5, process)
        yield folder / "ca.pem"
    finally:
        process.terminate()
        process.wait()


def over_tls(spec: dict[str, Any], folder: Path, authority: Path) -> dict[str, Any]:
    """A target of the harness that reaches its upstream over verified TLS instead of plain HTTP."""
    files = {}
    for name, source in spec["files"].items():
        text = (Path(spec["_dir"]) / source).read_text()
        if name == "nginx.conf":
            verify = f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority};"
            text = text.replace("proxy_pass http://up;", f"proxy_pass https://up; {verify}")
            text = text.replace("upstream up {", "upstream up {", 1).replace("{mock}", str(TLS_PORT))
            text = text.replace("proxy_ssl_verify on;", "proxy_ssl_verify on; proxy_ssl_name localhost;")
        else:
            text = text.replace("http://127.0.0.1:{mock}", f"https://127.0.0.1:{TLS_PORT}")
            text = text.replace("    model: bench\n", f"    model: bench\n    ca: {authority}\n")
        (folder / f"tls-{name}").write_text(text)
        files[name] = str(folder / f"tls-{name}")
    return {**spec, "files": files}
